"""The rules of the linter, by theme. A rule takes a call and appends what it finds; it raises nothing."""

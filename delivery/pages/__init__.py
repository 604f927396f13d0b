"""What a customer sees of a source's delivery: docs/pages.md."""

"""History: a file of events that happened before, behind what happens now. docs/importing.md is its manual."""

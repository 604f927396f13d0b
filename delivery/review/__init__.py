"""The checklist of Segment's reviewers, gone through by a program: docs/catalog.md."""

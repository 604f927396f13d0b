"""All of a company's data in one file, for its owners: docs/privacy.md has the rules."""

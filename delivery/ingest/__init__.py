"""The ingest API: Segment's own HTTP API, for the events of a tenant's other products. docs/ingest.md is its manual."""

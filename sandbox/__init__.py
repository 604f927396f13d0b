"""A stand-in for Segment's HTTP API on this machine: for demo, tests and benchmarks (docs/stand-in.md)."""

"""What a tenant's Segment workspace sends us: who their people are. docs/inbound.md is the manual."""

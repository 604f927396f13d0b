def connect() -> None:
    """Subscribe to the domain signals and to changes of sources."""

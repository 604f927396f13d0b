class ScopeError(RuntimeError):
    """A tenant's data was asked for without saying whose."""

class ScopeError(RuntimeError):
    """A tenant's data was asked for without saying whose."""


class TenantError(ValueError):
    """A tenant or a membership cannot be made as asked; the message is a sentence for whoever asked."""

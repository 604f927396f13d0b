from tenants.enums import Role


class ScopeError(RuntimeError):
    """A tenant's data was asked for without saying whose."""


class TenantError(ValueError):
    """A tenant or a membership cannot be made as asked; the message is a sentence for whoever asked."""


class MemberError(TenantError):
    """A change of who belongs to a tenant that must not be; the message says why and what to do."""


class RoleConflictError(TenantError):
    """A member has another role by now than the form showed to whoever sent it: `role`."""

    def __init__(self, role: Role) -> None:
        super().__init__("Somebody changed this role meanwhile. Nothing was changed.")
        self.role = role


class InvitationError(TenantError):
    """An invitation that cannot be sent or accepted; the message says why and what to do."""

"""Who may see what: one row for each address of the URL configuration. A new address without a row fails the tests.

    "integrations:rename": Row(ADMIN),

says that a GET of that page answers 200 to admins and owners of the tenant, 403 to its viewers, 404 to everybody else
who is signed in, and sends a visitor to the log-in. The address's arguments are filled in from World.values by name;
a row that wants another value names it: Row(ADMIN, arguments={"key_id": "inbound_key"}).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.pages.addresses import Address
from tests.pages.world import ROLES, World

LOG_IN: Final = "to the log-in"
STAFF_DOOR: Final = "to the door of the admin"
Answer = int | str

EVERYBODY: Final = "everybody"
SIGNED_IN: Final = "signed in"
VIEWER: Final = "viewer"
ADMIN: Final = "admin"
OWNER: Final = "owner"
STAFF: Final = "staff"

MEMBERS: Final = (VIEWER, ADMIN, OWNER)


@dataclass(frozen=True)
class Row:
    who: str
    """The least role that gets `answer`."""
    answer: Answer = 200
    arguments: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    unlike: Mapping[str, Answer] = field(default_factory=dict)
    """Roles that get another answer than their role would say."""
    shown: bool = True
    """Whether it is a page to be looked at: with axe, and as a screenshot."""

    def expected(self) -> dict[str, Answer]:
        return {role: self.answer if role in self._admitted() else self._refused(role) for role in ROLES} | dict(
            self.unlike
        )

    def reader(self) -> str | None:
        """Who a browser shows the page to: one of those who see it, None when there is nothing to be shown."""
        expected = self.expected()
        return next((role for role in ("owner", "anonymous", "staff") if self.shown and expected[role] == 200), None)

    def _admitted(self) -> tuple[str, ...]:
        if self.who in MEMBERS:
            return MEMBERS[MEMBERS.index(self.who) :]
        return {EVERYBODY: ROLES, SIGNED_IN: ROLES[1:], STAFF: (STAFF,)}[self.who]

    def _refused(self, role: str) -> Answer:
        if self.who == STAFF:
            return STAFF_DOOR
        if role == "anonymous":
            return LOG_IN
        return 403 if role in MEMBERS else 404

    def path(self, address: Address, world: World) -> str:
        values = world.values | {name: world.values[value] for name, value in self.arguments.items()}
        if "object_id" in address.arguments and "object_id" not in values:
            _admin, app, model = address.route.split("/")[:3]
            values |= {"object_id": world.object_id(app, model)}
        return address.path(values) + self.query


def rows_of_model(app_and_model: str, add: Answer = 200, delete: Answer = 200) -> dict[str, Row]:
    """The pages that Django's admin makes for a model."""
    named = {"changelist": Row(STAFF), "add": Row(STAFF, add), "delete": Row(STAFF, delete)}
    named |= {"history": Row(STAFF), "change": Row(STAFF)}
    app, _, model = app_and_model.partition("_")
    return {f"admin:{app_and_model}_{name}": row for name, row in named.items()} | {
        f"admin/{app}/{model}/<path:object_id>/": Row(STAFF, 302)
    }


ROWS: Final[Mapping[str, Row]] = {
    "mailbox:inbox": Row(EVERYBODY),
    "mailbox:mail": Row(EVERYBODY),
    "mailbox:body": Row(EVERYBODY, shown=False),
    "tenants:home": Row(SIGNED_IN, 302),
    "tenants:create": Row(SIGNED_IN),
    "tenants:invitation": Row(EVERYBODY, 410),
    "tenants:invitation_link": Row(EVERYBODY, 302),
    "tenants:overview": Row(VIEWER),
    "tenants:members": Row(VIEWER),
    "tenants:leave": Row(VIEWER),
    "tenants:member": Row(ADMIN),
    "tenants:remove": Row(ADMIN),
    "tenants:transfer": Row(OWNER),
    "tenants:invitations": Row(ADMIN),
    "tenants:resend": Row(ADMIN, 405),
    "tenants:revoke": Row(ADMIN),
    "tenants:audit": Row(ADMIN),
    "tenants:settings": Row(ADMIN),
    "tenants:privacy": Row(ADMIN),
    "tenants:export": Row(OWNER),
    "tenants:export_state": Row(OWNER, shown=False),
    "tenants:export_file": Row(OWNER, arguments={"token": "export_token"}, shown=False),
    "tenants:delete": Row(OWNER),
    # Members of any role but viewers, and the company's own only: who else has the address learns nothing.
    "tenants:receipt": Row(SIGNED_IN, unlike={"viewer": 404, "stranger": 404, "staff": 404}),
    "tenants:receipt_file": Row(SIGNED_IN, unlike={"viewer": 404, "stranger": 404, "staff": 404}, shown=False),
    "integrations:index": Row(VIEWER),
    "integrations:api_keys": Row(VIEWER),
    "integrations:make_api_key": Row(ADMIN),
    "integrations:made_before": Row(ADMIN),
    "integrations:revoke_api_key": Row(ADMIN),
    "integrations:segment": Row(VIEWER),
    "integrations:help": Row(VIEWER),
    "integrations:from_segment": Row(VIEWER),
    "integrations:shared_secret": Row(ADMIN, arguments={"key_id": "inbound_key"}),
    "integrations:connect": Row(ADMIN),
    "integrations:source": Row(VIEWER),
    "integrations:replace_key": Row(ADMIN),
    "integrations:change_region": Row(ADMIN),
    "integrations:rename": Row(ADMIN),
    "integrations:check": Row(ADMIN),
    "integrations:send_test": Row(ADMIN, 405),
    "integrations:not_showing": Row(VIEWER),
    "integrations:pause": Row(ADMIN, 405),
    "integrations:resume": Row(ADMIN, 405),
    "integrations:disconnect": Row(ADMIN),
    "integrations:delete": Row(OWNER),
    "integrations:reconnect": Row(ADMIN),
    "delivery:review": Row(ADMIN),
    "delivery:alerts": Row(VIEWER),
    "delivery:alert_limits": Row(ADMIN),
    "delivery:enter_shadow": Row(ADMIN),
    # The source is not in shadow: there is nothing to switch on.
    "delivery:go_live": Row(ADMIN, 302),
    # Another app's token opens nothing here.
    "alerts:stop": Row(EVERYBODY, 404, arguments={"token": "reader"}),
    "delivery:what_is_sent": Row(ADMIN),
    "delivery:delivery": Row(VIEWER),
    "delivery:state": Row(VIEWER, shown=False),
    "delivery:event": Row(VIEWER),
    "delivery:resend": Row(ADMIN),
    "delivery:resend_given_up": Row(ADMIN, 302),
    "delivery:refusals": Row(VIEWER),
    "delivery:refusal": Row(VIEWER),
    "delivery:attempts": Row(VIEWER),
    "campaigns:list": Row(VIEWER),
    "campaigns:create": Row(ADMIN),
    "campaigns:campaign": Row(VIEWER, arguments={"campaign_id": "sent_campaign"}),
    "campaigns:edit": Row(ADMIN),
    "campaigns:preview-body": Row(VIEWER, shown=False),
    "campaigns:send": Row(ADMIN),
    "campaigns:confirm": Row(ADMIN, query="?audience=everyone"),
    "campaigns:send-rest": Row(EVERYBODY, 405),
    "campaigns:people": Row(VIEWER),
    "campaigns:add-person": Row(ADMIN),
    "campaigns:edit-person": Row(ADMIN),
    "campaigns:remove-person": Row(ADMIN),
    "campaigns:resubscribe-person": Row(ADMIN, arguments={"person_id": "unsubscribed_person"}),
    "email:open": Row(EVERYBODY, arguments={"token": "reader"}, shown=False),
    "email:click": Row(EVERYBODY, 302, arguments={"token": "reader"}),
    "email:unsubscribe": Row(EVERYBODY, arguments={"token": "reader"}),
    "healthz": Row(EVERYBODY, shown=False),
    "readyz": Row(EVERYBODY, shown=False),
    "metrics": Row(EVERYBODY, shown=False),
    "ingest:ingest": Row(EVERYBODY, 405),
    "inbound": Row(EVERYBODY, 405),
    "account_login": Row(EVERYBODY, 302, unlike={"anonymous": 200}),
    "account_logout": Row(SIGNED_IN),
    "account_inactive": Row(EVERYBODY),
    "account_signup": Row(EVERYBODY, 302, unlike={"anonymous": 200}),
    "account_reauthenticate": Row(SIGNED_IN),
    "account_email": Row(SIGNED_IN),
    "account_email_verification_sent": Row(EVERYBODY),
    "account_change_password": Row(SIGNED_IN),
    "account_set_password": Row(SIGNED_IN, 302),
    "account_reset_password": Row(EVERYBODY),
    "account_confirm_login_code": Row(SIGNED_IN, 302),
    "account_confirm_email": Row(EVERYBODY),
    "account_reset_password_from_key_done": Row(EVERYBODY),
    "account_reset_password_from_key": Row(EVERYBODY),
    "account_reset_password_done": Row(EVERYBODY),
    "mfa_index": Row(SIGNED_IN),
    "mfa_authenticate": Row(SIGNED_IN, 302),
    "mfa_reauthenticate": Row(SIGNED_IN, 302),
    "mfa_activate_totp": Row(SIGNED_IN),
    "mfa_deactivate_totp": Row(SIGNED_IN, 404),
    "mfa_view_recovery_codes": Row(SIGNED_IN, 404),
    "mfa_generate_recovery_codes": Row(SIGNED_IN),
    "mfa_download_recovery_codes": Row(SIGNED_IN, 404),
    "usersessions_list": Row(SIGNED_IN),
    "tenants:delete_account": Row(SIGNED_IN),
    # It is the owner's.
    "tenants:end_session": Row(SIGNED_IN, 404, unlike={"owner": 200}),
    "staff_review": Row(STAFF),
    "staff_board": Row(STAFF),
    "staff_account": Row(STAFF, arguments={"deed": "account_deed"}),
    "staff_visit": Row(STAFF),
    "staff_leave": Row(STAFF, 405),
    "staff_act": Row(STAFF),
    "staff_replay": Row(STAFF),
    "admin:index": Row(STAFF),
    "admin:app_list": Row(STAFF),
    "admin:search": Row(STAFF, shown=False),
    "admin:jsi18n": Row(STAFF, shown=False),
    "admin:autocomplete": Row(STAFF, 403),
    "admin:view_on_site": Row(STAFF, 404, arguments={"object_id": "url"}),
    # The product's own log-in is the door; who has no business behind it is told so.
    "admin:login": Row(SIGNED_IN, 403, unlike={"staff": 302}),
    "admin:logout": Row(EVERYBODY, 302, unlike={"staff": 405}),
    "admin:password_change": Row(STAFF, 302),
    "admin:password_change_done": Row(STAFF),
    "admin:auth_user_password_change": Row(STAFF),
    "admin/(?P<url>.*)$": Row(STAFF, 404),
    **rows_of_model("tenants_user", delete=403),
    **rows_of_model("tenants_tenant", add=403, delete=403),
    **rows_of_model("tenants_membership", add=403, delete=403),
    **rows_of_model("account_emailaddress", add=403, delete=403),
    **rows_of_model("tenants_auditentry", add=403, delete=403),
    **rows_of_model("tenants_invitation", add=403, delete=403),
    **rows_of_model("tenants_erasure", add=403, delete=403),
    **rows_of_model("tenants_export", add=403, delete=403),
    **rows_of_model("delivery_retentionwarning", add=403, delete=403),
    **rows_of_model("delivery_incident", add=403, delete=403),
    **rows_of_model("delivery_alertmail", add=403, delete=403),
    **rows_of_model("delivery_goinglive", add=403, delete=403),
    **rows_of_model("integrations_source", add=403, delete=403),
    **rows_of_model("integrations_person", add=403, delete=403),
    **rows_of_model("integrations_apikey", add=403, delete=403),
    **rows_of_model("delivery_fileimport", add=403, delete=403),
    **rows_of_model("delivery_lane", add=403, delete=403),
    **rows_of_model("delivery_ratehold", add=403, delete=403),
    **rows_of_model("delivery_event", add=403, delete=403),
    **rows_of_model("delivery_batch", add=403, delete=403),
    **rows_of_model("delivery_attempt", add=403, delete=403),
    **rows_of_model("delivery_refusal", add=403, delete=403),
}


def row_of(address: Address) -> Row:
    assert address.name in ROWS, missing(address)
    return ROWS[address.name]


def missing(address: Address) -> str:
    if address.name.startswith("admin:"):
        return f'{address.route} has no row in tests/pages/rows.py. A model of the admin: **rows_of_model("app_model"),'
    least = VIEWER if address.is_of_a_tenant else SIGNED_IN
    return (
        f"{address.route} has no row in tests/pages/rows.py, so nobody has said who may see it. "
        f'Add, with the least role that may:\n\n    "{address.name}": Row({least.upper().replace(" ", "_")}),\n'
    )

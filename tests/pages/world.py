"""A product in use: what each page needs to show something. Committed for a module, and flushed after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from delivery.alerts.enums import IncidentKind
from delivery.alerts.models import Alert, AlertMail, Incident
from delivery.client import close_connections
from delivery.importing.models import FileImport
from delivery.models import Attempt, Batch, Event, RateHold, Refusal, RetentionWarning
from delivery.shadow_models import GoingLive
from delivery.turn import take_turn
from examples.campaigns.activities import Reader
from examples.campaigns.links import token_of
from examples.campaigns.models import MailboxMessage, Message
from examples.campaigns.reading import record_click, record_open
from examples.campaigns.sending import fix_recipients, send_rest
from integrations.api_keys import issue_api_key
from integrations.enums import KeyPurpose
from integrations.inbound.keeping import keep
from integrations.inbound.parsing import parse_all
from integrations.models import Source
from tenants.enums import ExportState, PersonField, Role
from tenants.erasure import ask_for_person
from tenants.exports.models import Export, ExportPiece
from tenants.invitations import invite
from tenants.models import Invitation, Membership, Tenant, User
from tenants.scoping import every_tenant, scope
from tenants.staff_door import SHOWN
from tests.conftest import OTHER_WRITE_KEY, PASSWORD, WRITE_KEY, make_member, make_source
from tests.emptying import empty_redis
from tests.examples.campaigns.conftest import make_campaign, make_person
from tests.segment_fixture import SegmentStandIn

ROLES = ("anonymous", "viewer", "admin", "owner", "stranger", "staff")

DESK = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0"
READER = Reader(ip="203.0.113.7", user_agent=DESK)
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"

LINKS_OF_NOBODY = {"token": "wrong", "key": "wrong", "uidb36": "0", "content_type_id": "0", "url": "no/such/page"}
"""As somebody cuts or guesses them."""


@dataclass
class World:
    people: dict[str, User]
    values: dict[str, str] = field(default_factory=dict)
    """By the name of a URL's argument, or by a name that a row of rows.py chooses for one."""

    cookies: dict[str, str] = field(default_factory=dict)
    """The session of each role."""

    def client(self, role: str) -> Client:
        client = Client()
        if role != "anonymous":
            client.cookies[settings.SESSION_COOKIE_NAME] = self.cookies[role]
        return client

    def sign_in(self, role: str) -> None:
        client = signed_in_with(DESK, self.people[role])
        if role == "staff":
            session = client.session
            session[SHOWN] = self.people[role].pk
            session.save()
        self.cookies[role] = client.cookies[settings.SESSION_COOKIE_NAME].value

    def object_id(self, app: str, model: str) -> str:
        """Of the first row of a model of the admin."""
        with every_tenant():
            found = apps.get_model(app, model).objects.order_by("pk").first()
        assert found, f"Let tests/pages/world.py make a {app}.{model}: its page in the admin is looked at."
        return str(found.pk)


def signed_in_with(user_agent: str, user: User) -> Client:
    """By the form, which remembers the browser; and with the password typed once more, as some pages ask for it."""
    client = Client(headers={"user-agent": user_agent})
    response = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert response.status_code == 302, response.content.decode()
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


@contextmanager
def built_world(stand_in: SegmentStandIn) -> Iterator[World]:
    """With the settings of a demo, the mailbox among them."""
    with override_settings(
        ROOT_URLCONF="tests.pages.urls",
        DEMO=True,
        EMAIL_BACKEND="examples.campaigns.mailbox.MailboxBackend",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        SEGMENT_URLS={"us": stand_in.us_url, "eu": stand_in.eu_url},
        # That is good for five minutes: a busy machine takes longer for a module.
        ACCOUNT_REAUTHENTICATION_TIMEOUT=3_600,
    ):
        # Its log-ins count for the rate limits, which outlive a module.
        empty_redis()
        try:
            yield _build()
        finally:
            close_connections()
            call_command("flush", interactive=False, verbosity=0)


def _build() -> World:
    acme, other = Tenant.objects.create(name="Acme", slug="acme"), Tenant.objects.create(name="Other", slug="other")
    people = {role.value: make_member(acme, role) for role in (Role.OWNER, Role.ADMIN, Role.VIEWER)}
    people["stranger"] = make_member(other, Role.OWNER)
    people["staff"] = User.objects.create_superuser("staff@headwater.test", PASSWORD)
    # Somebody else's: Acme's own is not on its way out of the shadow.
    GoingLive(source=make_source(other, OTHER_WRITE_KEY), first_id=1, end_id=2, requested_by="owner").save()
    viewer = str(people["viewer"].pk)
    values = {
        "tenant_slug": acme.slug,
        "tenant_id": str(acme.pk),
        "user_id": viewer,
        "id": viewer,
        "method": "track",
        "app_label": "tenants",
    }
    world = World(people, LINKS_OF_NOBODY | values)
    source = make_source(acme, WRITE_KEY, name="Production")
    with scope(acme.pk):
        _campaigns(world, acme)
        _log(world, source)
        _keys(world, acme)
        _told_and_imported(acme, source)
        _alert(acme, source, people["owner"])
        _invitation(world, acme)
        _warnings_and_receipts(world, acme, source)
        _export(world, acme)
    _mails(world)
    for role in people:
        world.sign_in(role)
    _another_session(world)
    return world


def _another_session(world: World) -> None:
    """The owner's phone, which is signed in too."""
    client = signed_in_with(PHONE, world.people["owner"])
    world.values["session_id"] = str(UserSession.objects.get(session_key=client.session.session_key).pk)


def _campaigns(world: World, acme: Tenant) -> None:
    """One sent and read, one still a draft; who has no id is refused, so there is a refusal too."""
    ada, grace = make_person(acme, name="Ada Lovelace"), make_person(acme, "grace@customer.test", "user-1002")
    guest = make_person(acme, "guest@customer.test", "", name="A guest without an id")
    gone = make_person(acme, "gone@customer.test", "user-1003", unsubscribed_at=timezone.now())
    draft, sent = make_campaign(acme, name="Winter"), make_campaign(acme)
    fix_recipients(sent, [ada, grace, guest])
    send_rest(sent)
    message = Message.objects.filter(person=ada).get()
    record_open(message, READER)
    record_click(message, READER)
    world.values |= {
        "campaign_id": str(draft.pk),
        "sent_campaign": str(sent.pk),
        "person_id": str(ada.pk),
        "unsubscribed_person": str(gone.pk),
        "reader": token_of(message.pk),
    }


def _log(world: World, source: Source) -> None:
    take_turn([source.pk])
    batch = Batch.objects.get()
    world.values |= {
        "source_id": str(source.pk),
        "event_id": str(Event.objects.order_by("pk").values_list("pk", flat=True)[0]),
        "batch_id": str(batch.pk),
        "refusal_id": str(Refusal.objects.values_list("pk", flat=True)[0]),
        "attempt_id": str(Attempt.objects.get().pk),
    }
    RateHold.objects.create(key_id="0" * 64, until=timezone.now())


def _keys(world: World, acme: Tenant) -> None:
    for purpose in KeyPurpose:
        key, _text = issue_api_key(acme, purpose, name=f"{purpose.label} of production", by=world.people["owner"])
        world.values[f"{purpose.value}_key"] = str(key.pk)
    world.values["key_id"] = world.values[f"{KeyPurpose.INGEST.value}_key"]


def _told_and_imported(acme: Tenant, source: Source) -> None:
    told = {"type": "identify", "userId": "seg-7", "anonymousId": "device-7", "traits": {"email": "ada@customer.test"}}
    keep(acme.pk, parse_all([told], timezone.now()).messages)
    FileImport.objects.create(
        tenant=acme, source=source, digest="0" * 64, file_name="history.jsonl", file_bytes=1_000, position=400, line=4,
        captured=3, refused=1, requested_by="operator", started_at=timezone.now(),
    )  # fmt: skip


def _alert(acme: Tenant, source: Source, owner: User) -> None:
    """Of an incident that is over."""
    now = timezone.now()
    Incident.objects.create(
        tenant=acme, source=source, kind=IncidentKind.BACKLOG, reason="The oldest event has waited for 31 minutes.",
        opened_at=now, closed_at=now,
    )  # fmt: skip
    alert = Alert.objects.create(tenant=acme, items=[], created_at=now)
    AlertMail.objects.create(alert=alert, membership=Membership.objects.get(tenant=acme, user=owner), not_before=now)


def _invitation(world: World, acme: Tenant) -> None:
    invite(acme, "new@acme.test", Role.ADMIN, by=world.people["owner"])
    world.values["invitation_id"] = str(Invitation.objects.get().pk)


def _warnings_and_receipts(world: World, acme: Tenant, source: Source) -> None:
    now = timezone.now()
    RetentionWarning.objects.create(
        tenant=acme, source=source, before_id=1, number=1, waiting=3, set_aside=0, quarantined=0, oldest_at=now,
        expires_at=now, warned_at=now,
    )  # fmt: skip
    asked = ask_for_person(acme, PersonField.EMAIL, "forgotten@customer.test", by=world.people["owner"])
    world.values |= {"erasure_id": str(asked.pk), "deed": "hold", "account_deed": "deactivate"}


def _export(world: World, acme: Tenant) -> None:
    """One that is ready, with an empty file."""
    owner, now, file = world.people["owner"], timezone.now(), b"PK\5\6" + bytes(18)
    ready = Export.objects.create(
        tenant=acme, by=owner, by_label=owner.email, state=ExportState.READY, pieces=1, bytes=len(file), ended_at=now,
        expires_at=now + timedelta(days=7),
    )  # fmt: skip
    ExportPiece(export=ready, number=0, data=file).save(force_insert=True)
    world.values["export_token"] = ready.token


def _mails(world: World) -> None:
    mail.send_mail("A mail of text alone", "Nothing but text.", None, ["ada@customer.test"])
    of_the_campaign = MailboxMessage.objects.filter(subject="Our news").order_by("pk")
    world.values["mail_id"] = str(of_the_campaign.values_list("pk", flat=True)[0])

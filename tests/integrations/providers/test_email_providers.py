"""What each provider of django-anymail posts becomes what Segment is to get, by one way."""

import json
from base64 import b64encode
from datetime import UTC, datetime

import anymail.webhooks
import pytest
from anymail.signals import EventType
from django.core.mail import EmailMessage, get_connection
from django.dispatch import Signal

from delivery.models import Event, MessageKey
from integrations import email_providers
from integrations.email_providers import LEFT_OUT, SIGNALS, mark
from integrations.signals import EmailActivity, Recipient
from tenants.scoping import scope
from tests.integrations.providers.payloads import AGENT, AT, LINK, PROVIDERS, READER_IP, SECRET, SETTINGS, TO

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.integrations.providers.urls"),
    pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid"),
]

NAMES = {
    "delivered": "Email Delivered",
    "bounced": "Email Bounced",
    "opened": "Email Opened",
    "clicked": "Email Link Clicked",
    "complained": "Email Marked as Spam",
    "unsubscribed": "Unsubscribed",
}
NO_AGENT = {"MailerSend", "Brevo"}
"""Their events, as django-anymail reads them, do not name the reader's program."""

CASES = [(name, kind) for name, (_, kinds, _) in PROVIDERS.items() for kind in kinds]


@pytest.fixture(autouse=True)
def anymail_settings(settings):
    settings.ANYMAIL = SETTINGS


@pytest.fixture
def product(tenant, monkeypatch):
    """A product that has one email, named `letter_1`; the fixture is what it answers."""

    def describe(tenant_id, reference):
        if (tenant_id, reference) != (tenant.pk, "letter_1"):
            return None
        return EmailActivity(
            tenant_id=tenant_id,
            recipient=Recipient(email=TO, tool_id="person-7", user_id="user-1001"),
            occurred_at=datetime.now(UTC),
            email_id="letter-1",
            email_subject="Our news",
            campaign_id="campaign-1",
            campaign_name="Autumn",
            link_id="link-1",
            link_url=LINK,
        )

    monkeypatch.setattr(email_providers, "_describers", [describe])
    return describe


def metadata_of(email):
    return vars(email).get("metadata")


def mark_of(tenant_id, reference="letter_1"):
    email = EmailMessage(to=[TO])
    mark(email, tenant_id, reference)
    return metadata_of(email)["headwater"]


@pytest.fixture
def post(client):
    def send(posted, secret=SECRET):
        headers = {"Authorization": f"Basic {b64encode(secret.encode()).decode()}"} if secret else {}
        return client.post(
            f"/webhooks/email/{posted.path}",
            posted.body,
            content_type=posted.content_type,
            headers=headers | posted.headers,
            secure=True,
        )

    return send


def captured(tenant):
    with scope(tenant.pk):
        return [json.loads(payload) for payload in Event.objects.order_by("pk").values_list("payload", flat=True)]


@pytest.mark.parametrize(("provider", "kind"), CASES)
def test_event_of_a_provider_is_captured_as_the_spec_has_it(tenant, source, product, post, provider, kind):
    answer = post(PROVIDERS[provider][0](kind, mark_of(tenant.pk)))

    assert answer.status_code == 200
    (call,) = captured(tenant)
    assert (call["type"], call["event"], call["userId"]) == ("track", NAMES[kind], "user-1001")
    assert datetime.fromisoformat(call["timestamp"]) == AT
    about_email = {
        "email_id": "letter-1",
        "email_subject": "Our news",
        "campaign_id": "campaign-1",
        "campaign_name": "Autumn",
    }
    link = {"link_id": "link-1", "link_url": LINK} if kind == "clicked" else {}
    assert call["properties"] == about_email | link
    assert call["context"]["traits"] == {"email": TO}


@pytest.mark.parametrize(("provider", "kind"), [case for case in CASES if case[1] == "clicked"])
def test_reader_of_a_click_is_the_one_that_the_provider_tells(tenant, source, product, post, provider, kind):
    post(PROVIDERS[provider][0](kind, mark_of(tenant.pk)))

    (call,) = captured(tenant)
    ip = None if provider == "Brevo" else READER_IP
    assert (call["context"].get("ip"), call["context"].get("userAgent")) == (
        ip,
        None if provider in NO_AGENT else AGENT,
    )


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "Mandrill"])
def test_delivery_names_no_reader(tenant, source, product, post, provider):
    """The address of a mail server is not a person's."""
    post(PROVIDERS[provider][0]("delivered", mark_of(tenant.pk)))

    (call,) = captured(tenant)
    assert "ip" not in call["context"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_event_told_again_is_captured_once(tenant, source, product, post, provider):
    build, kinds, _ = PROVIDERS[provider]
    posted = build(kinds[0], mark_of(tenant.pk))
    post(posted)
    assert post(posted).status_code == 200

    assert len(captured(tenant)) == 1
    with scope(tenant.pk):
        assert MessageKey.objects.count() == 1


@pytest.mark.parametrize("provider", [name for name, (_, _, left_out) in PROVIDERS.items() if left_out])
def test_event_that_the_spec_does_not_have_is_left_out(tenant, source, product, post, provider):
    build, _, left_out = PROVIDERS[provider]

    assert post(build(left_out, mark_of(tenant.pk))).status_code == 200
    assert captured(tenant) == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_the_shared_secret_nothing_is_taken(tenant, source, product, post, provider):
    build, kinds, _ = PROVIDERS[provider]
    posted = build(kinds[0], mark_of(tenant.pk))

    answers = {post(posted, secret=None).status_code, post(posted, secret="hook:another-shared-secret").status_code}

    assert answers <= {400, 401}
    assert captured(tenant) == []


def test_mark_of_another_tenant_is_refused_when_forged(
    tenant, other_tenant, source, other_source, product, post, caplog
):
    """A provider account that serves several tenants: one must not write into the log of another."""
    own, other = mark_of(other_tenant.pk), mark_of(tenant.pk)
    signature = own.rsplit(".", 1)[1]
    forged = f"{other.rsplit('.', 1)[0]}.{signature}"

    assert post(PROVIDERS["Mailgun"][0]("delivered", forged)).status_code == 200
    assert captured(tenant) == captured(other_tenant) == []
    assert "no mark of ours, or a forged one" in caplog.text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1.letter_1",
        "x.letter_1.AAAAAAAAAAAAAAAAAAAAAA",
        "9" * 40 + ".letter_1.AAAAAAAAAAAAAAAAAAAAAA",
        {"a": 1},
        "\ud800",
    ],
)
def test_event_without_a_mark_of_ours_is_left_alone(tenant, source, product, post, value):
    assert post(PROVIDERS["Postmark"][0]("delivered", value)).status_code == 200
    assert captured(tenant) == []


def test_email_that_the_product_has_no_more_becomes_nothing(tenant, source, product, post):
    assert post(PROVIDERS["Postmark"][0]("delivered", mark_of(tenant.pk, "letter_2"))).status_code == 200
    assert captured(tenant) == []


def test_product_cannot_answer_for_another_tenant(
    tenant, other_tenant, source, other_source, product, post, monkeypatch
):
    monkeypatch.setattr(email_providers, "_describers", [lambda _tenant, reference: product(tenant.pk, reference)])

    assert post(PROVIDERS["Postmark"][0]("delivered", mark_of(other_tenant.pk))).status_code == 200
    assert captured(tenant) == captured(other_tenant) == []


def test_every_event_of_anymail_is_a_signal_or_left_out_with_a_reason():
    known = {value for name, value in vars(EventType).items() if name.isupper()}

    assert SIGNALS.keys() | LEFT_OUT.keys() == known
    assert not SIGNALS.keys() & LEFT_OUT.keys()
    assert all(isinstance(signal, Signal) for signal in SIGNALS.values())


def test_every_provider_with_a_webhook_is_tested():
    from pathlib import Path

    modules = {path.stem for path in Path(anymail.webhooks.__file__).parent.glob("*.py")}
    tested = {name.lower().replace(" ", "_") for name in PROVIDERS}

    # Sendinblue is Brevo's old name, kept for those who have it configured.
    assert modules - {"__init__", "base", "sendinblue"} == tested


@pytest.mark.parametrize("reference", ["", "a" * 31, "a.b", "ä", "a b"])
def test_mark_refuses_a_reference_that_a_provider_would_not_carry(reference):
    with pytest.raises(ValueError, match="cannot be an email's reference"):
        mark(EmailMessage(), 1, reference)


def test_longest_mark_fits_the_narrowest_provider():
    email = EmailMessage()
    mark(email, 10**17, "a" * 30)

    assert len(metadata_of(email)["headwater"]) <= 80  # Postmark's limit of a value; the name's is 20


@pytest.mark.parametrize("backend", ["mailersend", "postal"])
def test_provider_without_metadata_gets_the_mark_as_a_tag(backend, settings):
    settings.ANYMAIL = {"MAILERSEND_API_TOKEN": "t", "POSTAL_API_URL": "https://postal.test", "POSTAL_API_KEY": "k"}
    email = EmailMessage(connection=get_connection(f"anymail.backends.{backend}.EmailBackend"))
    vars(email)["tags"] = ["news"]
    mark(email, 7, "letter_1")

    assert vars(email)["tags"] == ["news", f"headwater.{mark_of(7)}"]
    assert metadata_of(email) is None


def test_mark_keeps_what_the_product_put_there():
    email = EmailMessage()
    vars(email)["metadata"] = {"shop": "north"}
    mark(email, 7, "letter_1")

    assert metadata_of(email) == {"shop": "north", "headwater": mark_of(7)}

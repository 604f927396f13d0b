"""Campaigns that go through an email provider: anymail's own test backend, and what a webhook would bring."""

from datetime import UTC, datetime

import pytest
from anymail.exceptions import AnymailRecipientsRefused
from anymail.signals import AnymailTrackingEvent, tracking

from examples.campaigns.models import Message, Person
from examples.campaigns.sending import Sent, fix_recipients, send_rest, unsent
from tenants.scoping import scope

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.fixture
def outbox(settings, mailoutbox):
    # pytest-django puts its own backend in for every test.
    settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"
    return mailoutbox


@pytest.fixture
def sent(tenant, draft, person, outbox):
    with scope(tenant.pk):
        fix_recipients(draft, [person])
        assert send_rest(draft) == Sent(handed_over=1)
    (email,) = outbox
    return email


def tell(email, event_type, **fields):
    event = AnymailTrackingEvent(event_type=event_type, timestamp=AT, metadata=email.metadata, event_id="e-1", **fields)
    tracking.send(sender=None, event=event, esp_name="Test")


def message(tenant):
    with scope(tenant.pk):
        return Message.objects.select_related("person").get()


def test_email_handed_over_is_not_yet_delivered(tenant, sent, draft, heard):
    assert heard == []
    assert (message(tenant).delivered_at, message(tenant).handed_over_at is None) == (None, False)
    with scope(tenant.pk):
        assert send_rest(draft) == Sent()
        assert list(unsent(draft)) == []


@pytest.mark.parametrize(
    ("event_type", "column", "kind"),
    [
        ("delivered", "delivered_at", "delivered"),
        ("bounced", "bounced_at", "bounced"),
        ("unsubscribed", "unsubscribed_at", "unsubscribed"),
    ],
)
def test_what_the_provider_tells_is_in_the_report_and_told_on(tenant, sent, heard, event_type, column, kind):
    tell(sent, event_type)

    assert getattr(message(tenant), column) == AT
    ((told, activity),) = heard
    assert (told, activity.occurred_at, activity.recipient.user_id) == (kind, AT, "user-1001")
    assert activity.email_id == f"message-{message(tenant).pk}"


def test_unsubscribing_at_the_provider_unsubscribes_the_person(tenant, sent):
    tell(sent, "unsubscribed")

    assert message(tenant).person.unsubscribed_at == AT


def test_time_that_is_known_already_stays(tenant, sent):
    tell(sent, "delivered")
    first = message(tenant).delivered_at
    later = AnymailTrackingEvent(event_type="delivered", timestamp=datetime.now(UTC), metadata=sent.metadata)
    tracking.send(sender=None, event=later, esp_name="Test")

    assert message(tenant).delivered_at == first


def test_click_on_another_address_names_no_link(tenant, sent, heard):
    tell(sent, "clicked", click_url="https://acme.test/other")

    ((_, activity),) = heard
    assert (activity.link_url, activity.link_id) == ("https://acme.test/other", None)


def test_click_without_an_address_is_on_the_one_link(tenant, sent, draft, heard):
    tell(sent, "clicked")

    ((_, activity),) = heard
    assert (activity.link_url, activity.link_id) == (draft.link_url, "link-1")


def test_email_of_a_message_that_is_gone_becomes_nothing(tenant, sent, heard):
    with scope(tenant.pk):
        Message.objects.all().delete()
    tell(sent, "delivered")

    assert heard == []


def test_recipient_that_the_provider_refuses_has_bounced(tenant, draft, person, heard, outbox):
    with scope(tenant.pk):
        person.email = "refused@customer.test"
        person.save()
        fix_recipients(draft, [person])
        # The test backend refuses who is told so on the message; a signal of anymail's brings it there.
        from anymail.signals import pre_send

        def refuse(message, **_kwargs):
            raise AnymailRecipientsRefused

        pre_send.connect(refuse)
        try:
            assert send_rest(draft) == Sent(bounced=1)
        finally:
            pre_send.disconnect(refuse)

    assert [kind for kind, _ in heard] == ["bounced"]
    with scope(tenant.pk):
        assert Person.objects.get().unsubscribed_at is None

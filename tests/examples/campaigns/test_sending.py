import threading

import pytest
from django.db import connection

from examples.campaigns.errors import AlreadySentError, CampaignError, MailServerError
from examples.campaigns.models import Campaign, Message
from examples.campaigns.sending import Sent, fix_recipients, send_rest, unsent
from integrations import signals
from integrations.signals import EmailActivity, Recipient
from tenants.scoping import scope
from tests.examples.campaigns.conftest import make_person
from tests.mail_server import PERMANENT, TEMPORARY

pytestmark = pytest.mark.django_db


@pytest.fixture
def three_people(tenant):
    return [make_person(tenant, f"{name}@customer.test", external_id="") for name in ("alan", "grace", "lin")]


def expected_activity(message, occurred_at, **fields):
    return EmailActivity(
        tenant_id=message.campaign.tenant_id,
        recipient=Recipient(
            email=message.person.email, tool_id=str(message.person.pk), user_id=message.person.external_id or None
        ),
        occurred_at=occurred_at,
        email_id=f"message-{message.pk}",
        email_subject="Our news",
        campaign_id=f"campaign-{message.campaign.pk}",
        campaign_name="Autumn",
        **fields,
    )


def test_send_rest_tells_of_each_delivery_once(tenant, draft, person, heard, mailoutbox):
    with scope(tenant.pk):
        fix_recipients(draft, [person])
        assert send_rest(draft) == Sent(delivered=1)
        assert send_rest(draft) == Sent()
        sent = Message.objects.select_related("campaign", "person").get()
    assert [mail.to for mail in mailoutbox] == [["ada@customer.test"]]
    assert heard == [("delivered", expected_activity(sent, sent.delivered_at))]


def test_delivery_is_told_inside_the_transaction_that_records_it(tenant, draft, person, mailoutbox):
    seen = []

    def receiver(activity, **kwargs):
        seen.append((connection.in_atomic_block, Message.objects.get().delivered_at == activity.occurred_at))

    signals.email_delivered.connect(receiver)
    try:
        with scope(tenant.pk):
            fix_recipients(draft, [person])
            send_rest(draft)
    finally:
        signals.email_delivered.disconnect(receiver)
    assert seen == [(True, True)]


def test_person_without_an_id_of_the_customers_has_no_user_id(tenant, draft, heard, mailoutbox):
    with scope(tenant.pk):
        fix_recipients(draft, [make_person(tenant, external_id="")])
        send_rest(draft)
    assert [activity.recipient.user_id for _name, activity in heard] == [None]


def test_fix_recipients_leaves_out_the_unsubscribed(tenant, draft, person, three_people):
    gone = make_person(tenant, "gone@customer.test", unsubscribed_at=draft.created_at)
    with scope(tenant.pk):
        fix_recipients(draft, [person, gone])
        assert list(Message.objects.values_list("person__email", flat=True)) == ["ada@customer.test"]


def test_fix_recipients_without_anybody_changes_nothing(tenant, draft):
    gone = make_person(tenant, unsubscribed_at=draft.created_at)
    with scope(tenant.pk):
        with pytest.raises(CampaignError, match="choose at least one subscribed person"):
            fix_recipients(draft, [gone])
        assert Campaign.objects.get().sent_at is None
        assert Message.objects.count() == 0


def test_fix_recipients_twice_is_refused(tenant, draft, person, three_people):
    with scope(tenant.pk):
        fix_recipients(draft, [person])
        with pytest.raises(AlreadySentError):
            fix_recipients(draft, three_people)
        assert Message.objects.count() == 1


def test_refused_recipient_bounces_and_the_others_get_theirs(tenant, draft, three_people, heard, mail_server):
    mail_server.answers["grace@customer.test"] = PERMANENT
    with scope(tenant.pk):
        fix_recipients(draft, three_people)
        assert send_rest(draft) == Sent(delivered=2, bounced=1)
        grace = Message.objects.select_related("campaign", "person").get(person__email="grace@customer.test")
    assert mail_server.recipients() == ["alan@customer.test", "lin@customer.test"]
    assert mail_server.connections == 1
    assert [name for name, _activity in heard] == ["delivered", "bounced", "delivered"]
    assert heard[1][1] == expected_activity(grace, grace.bounced_at)
    assert grace.delivered_at is None


def test_temporary_refusal_is_no_bounce_and_can_be_sent_again(tenant, draft, person, heard, mail_server):
    mail_server.answers[person.email] = TEMPORARY
    with scope(tenant.pk):
        fix_recipients(draft, [person])
        assert send_rest(draft) == Sent(deferred=1)
        assert heard == []
        mail_server.answers.clear()
        assert send_rest(draft) == Sent(delivered=1)
    assert mail_server.recipients() == [person.email]


def test_server_that_dies_midway_leaves_the_rest_to_be_sent(tenant, draft, three_people, heard, mail_server):
    mail_server.dies_after = 2
    with scope(tenant.pk):
        fix_recipients(draft, three_people)
        with pytest.raises(MailServerError, match=r"broke off \(SMTPServerDisconnected\)"):
            send_rest(draft)
        assert list(unsent(draft).values_list("person__email", flat=True)) == ["lin@customer.test"]
        assert [name for name, _activity in heard] == ["delivered", "delivered"]
        mail_server.dies_after = None
        assert send_rest(draft) == Sent(delivered=1)
    assert mail_server.recipients() == ["alan@customer.test", "grace@customer.test", "lin@customer.test"]


def test_server_out_of_reach_sends_and_tells_nothing(tenant, draft, person, heard, mail_server):
    mail_server.shutdown()
    mail_server.server_close()
    with scope(tenant.pk):
        fix_recipients(draft, [person])
        with pytest.raises(MailServerError, match=r"could not be reached or broke off \(ConnectionRefusedError\)"):
            send_rest(draft)
        assert unsent(draft).count() == 1
    assert heard == []


def test_backend_that_fails_silently_counts_as_not_sent(tenant, draft, person, heard, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.base.BaseEmailBackend"
    with scope(tenant.pk):
        fix_recipients(draft, [person])
        with pytest.raises(MailServerError):
            send_rest(draft)
        assert unsent(draft).count() == 1
    assert heard == []


def test_send_rest_leaves_out_who_unsubscribed_meanwhile(tenant, draft, person, three_people, mailoutbox):
    with scope(tenant.pk):
        fix_recipients(draft, three_people)
        three_people[1].unsubscribed_at = draft.created_at
        three_people[1].save()
        assert send_rest(draft) == Sent(delivered=2)
    assert [mail.to for mail in mailoutbox] == [["alan@customer.test"], ["lin@customer.test"]]


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_write_to_nobody_twice(tenant, draft, three_people, heard, mail_server):
    with scope(tenant.pk):
        fix_recipients(draft, three_people)
    start = threading.Barrier(2)

    def run():
        try:
            with scope(tenant.pk):
                start.wait()
                send_rest(draft)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(mail_server.recipients()) == ["alan@customer.test", "grace@customer.test", "lin@customer.test"]
    assert [name for name, _activity in heard] == ["delivered"] * 3

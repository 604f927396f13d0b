import threading

import pytest
from django.db import connection

from examples.campaigns.activities import Reader
from examples.campaigns.errors import BrokenLinkError
from examples.campaigns.links import token_of
from examples.campaigns.models import Message
from examples.campaigns.reading import message_of, record_click, record_open, record_unsubscribe
from integrations import signals
from tenants.scoping import scope
from tests.examples.campaigns.conftest import wait_until_somebody_waits

READER = Reader(ip="203.0.113.7", user_agent="reader")


def at_the_same_moment(count, act):
    """Run `act` in threads that have connections of their own, and give their results back."""
    start = threading.Barrier(count)
    results = []

    def run():
        try:
            start.wait()
            results.append(act())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("record", [record_open, record_click, record_unsubscribe])
def test_only_the_first_of_two_at_once_is_told(tenant, message, heard, record):
    def hold(**kwargs):
        # The first has written and not committed; the second stands before the row that it has looked at or locks.
        wait_until_somebody_waits()

    def act():
        with message_of(token_of(message.pk)) as found:
            return record(found, READER)

    told = {record_open: signals.email_opened, record_click: signals.email_link_clicked}
    signal = told.get(record, signals.unsubscribed)
    signal.connect(hold)
    try:
        results = at_the_same_moment(2, act)
    finally:
        signal.disconnect(hold)
    assert sorted(results) == [False, True]
    assert len(heard) == 1


@pytest.mark.django_db
def test_failing_receiver_leaves_nothing_recorded(tenant, message):
    def refuse(**kwargs):
        raise RuntimeError("no room")

    signals.email_opened.connect(refuse)
    try:
        with message_of(token_of(message.pk)) as found, pytest.raises(RuntimeError, match="no room"):
            record_open(found, READER)
    finally:
        signals.email_opened.disconnect(refuse)
    with scope(tenant.pk):
        assert Message.objects.get().opened_at is None


@pytest.mark.django_db
def test_message_of_is_inside_the_scope_of_its_tenant(tenant, other_tenant, message):
    with message_of(token_of(message.pk)) as found:
        assert found == message
        assert Message.objects.count() == 1
        with scope(other_tenant.pk):
            assert Message.objects.count() == 0


@pytest.mark.django_db
def test_message_removed_meanwhile_is_a_broken_link(tenant, message):
    with message_of(token_of(message.pk)) as found:
        Message.objects.filter(pk=message.pk).delete()
        with pytest.raises(BrokenLinkError):
            record_open(found, READER)

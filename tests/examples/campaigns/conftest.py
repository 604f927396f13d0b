"""Acme's people and a draft, and an ear for the domain signals."""

import time

import pytest
from django.db import connection
from django.dispatch import Signal

from examples.campaigns.models import Campaign, Message, Person
from integrations import signals

SIGNALS = {
    "delivered": signals.email_delivered,
    "bounced": signals.email_bounced,
    "opened": signals.email_opened,
    "clicked": signals.email_link_clicked,
    "unsubscribed": signals.unsubscribed,
}


def make_person(tenant, email="ada@customer.test", external_id="user-1001", **fields):
    person = Person(tenant=tenant, email=email, external_id=external_id, **fields)
    person.save()
    return person


def make_campaign(tenant, **fields):
    texts = {
        "name": "Autumn",
        "subject": "Our news",
        "body": "Hello,\n\nthe leaves are falling.",
        "link_text": "Read on",
        "link_url": "https://acme.test/news?a=1&b=2",
    }
    campaign = Campaign(tenant=tenant, **(texts | fields))
    campaign.save()
    return campaign


def make_message(campaign, person, **fields):
    message = Message(campaign=campaign, person=person, **fields)
    message.save()
    return message


def wait_until_somebody_waits():
    """Until another connection waits for a lock, or 10 s have passed and nobody does."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                return
        time.sleep(0.01)


@pytest.fixture
def person(tenant):
    return make_person(tenant)


@pytest.fixture
def draft(tenant):
    return make_campaign(tenant)


@pytest.fixture
def message(draft, person):
    return make_message(draft, person)


@pytest.fixture
def heard():
    """All (name, activity) that real receivers of the domain signals were sent, in order."""
    received = []

    def listen(name: str, signal: Signal):
        def receiver(activity, **kwargs):
            received.append((name, activity))

        signal.connect(receiver)
        return signal, receiver

    connected = [listen(name, signal) for name, signal in SIGNALS.items()]
    yield received
    for signal, receiver in connected:
        signal.disconnect(receiver)

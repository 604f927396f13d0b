"""Sending the mails of alerts: from their rows, outside of any transaction, again after a while when one fails."""

import logging
import threading
import time
from typing import Final
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.template.loader import render_to_string

from delivery.alerts.enums import MailState, Phase
from delivery.alerts.links import stop_url
from delivery.alerts.models import AlertMail
from delivery.alerts.telling import Item, choice_of, items_of
from delivery.clock import ClockTimestamp
from delivery.errors import describe
from tenants.models import Membership
from tenants.scoping import every_tenant

SECONDS: Final = 20.0
"""A run takes no mail after that, so that a deploy waits for one mail at most."""
MOST_TRIES: Final = 28
"""With the waits between them, a day."""
MOST_LISTED: Final = 20

SEND: Final = "delivery.tasks.send_alerts"

log = logging.getLogger(__name__)

_one_at_a_time = threading.Lock()

CLAIM: Final = """
UPDATE delivery_alertmail SET tries = tries + 1,
    not_before = clock_timestamp() + make_interval(mins => least(60, 2 ^ (least(tries, 10) + 1))::int)
WHERE id = (
    SELECT id FROM delivery_alertmail WHERE state = 'waiting' AND not_before <= clock_timestamp()
    ORDER BY not_before LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id
"""
# Whoever claims a mail puts its next try off, by more than a mail server may take (EMAIL_TIMEOUT): nobody else sends it
# meanwhile, and one whose worker died is sent in the end. 2 minutes, 4, 8, up to an hour.


def hint_if_due() -> None:
    """Ask a worker to send what is due. A lost hint costs the time until the next look."""
    if not AlertMail.objects.filter(state=MailState.WAITING, not_before__lte=ClockTimestamp()).exists():
        return
    try:
        current_app.send_task(SEND, queue="sweep", retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001  # whatever a broken broker raises: the mails stay where they are
        log.warning("Alerts wait for the broker: %s.", describe(error))


def send_due_alone() -> None:
    """`send_due`, unless another thread of this worker is at it.

    A mail server that hangs keeps one thread of each worker then, however long, and the sweep has the others.
    """
    if _one_at_a_time.acquire(blocking=False):
        try:
            send_due()
        finally:
            _one_at_a_time.release()


def send_due() -> int:
    """Send the mails that are due, one after the other; returns how many were sent."""
    until = time.monotonic() + SECONDS
    sent = 0
    with every_tenant():
        while time.monotonic() < until and (mail_id := _claim()) is not None:
            sent += _send(mail_id)
    return sent


def _claim() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM)
        row = cursor.fetchone()
    return row[0] if row else None


def _send(mail_id: int) -> bool:
    related = ("alert", "membership__user", "membership__tenant", "membership__alert_choice")
    mail = AlertMail.objects.select_related(*related).filter(pk=mail_id).first()
    if mail is None:
        return False  # the member left just now
    if mail.tries > MOST_TRIES:
        _end(mail, MailState.GIVEN_UP, mail.error or "Whoever sent it died each time.")
        return False
    items = items_of(mail.alert, choice_of(mail.membership))
    if not items or not mail.membership.user.is_active:
        _end(mail, MailState.NOT_WANTED)
        return False
    try:
        message_of(mail, items).send()
    except Exception as error:  # noqa: BLE001  # a mail server, or a provider's client, may raise anything
        _fail(mail, describe(error))
        return False
    _end(mail, MailState.SENT)
    return True


def _end(mail: AlertMail, state: MailState, error: str = "") -> None:
    AlertMail.objects.filter(pk=mail.pk).update(state=state, error=error[:200])


def _fail(mail: AlertMail, error: str) -> None:
    given_up = mail.tries >= MOST_TRIES
    log.warning("An alert was not sent: %s.", error, extra={"alert_id": mail.alert_id, "tries": mail.tries})
    _end(mail, MailState.GIVEN_UP if given_up else MailState.WAITING, error)


def message_of(mail: AlertMail, items: list[Item]) -> EmailMultiAlternatives:
    """The same Message-ID at each try: should one arrive twice after a crash, mail programs show one."""
    member = mail.membership
    context = {
        "tenant": member.tenant,
        "items": items[:MOST_LISTED],
        "more": max(0, len(items) - MOST_LISTED),
        "site": settings.SITE_URL,
        "stop": stop_url(member),
    }
    host = urlsplit(settings.SITE_URL).hostname
    message = EmailMultiAlternatives(
        subject_of(member, items),
        render_to_string("delivery/mails/alert.txt", context),
        to=[member.user.email],
        headers={
            "Message-ID": f"<alert-{mail.pk}-{int(mail.alert.created_at.timestamp())}@{host}>",
            "Auto-Submitted": "auto-generated",
            "List-Unsubscribe": f"<{context['stop']}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
    message.attach_alternative(render_to_string("delivery/mails/alert.html", context), "text/html")
    return message


def subject_of(member: Membership, items: list[Item]) -> str:
    """A name in it is a customer's: a line break would be a header of their choice."""
    sources = {item.source_id for item in items}
    first = items[0]
    if len(items) == 1:
        text = f"{first.source} ({member.tenant}): {first.headline}"
    else:
        what = f"“{first.source}”" if len(sources) == 1 else f"{len(sources)} sources"
        over = " are over" if all(item.phase == Phase.RECOVERED for item in items) else ""
        text = f"{member.tenant}: {len(items)} alerts about {what}{over}"
    return " ".join(text.split())

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from delivery import staff_deeds
from delivery.alerts import keeping, mailing
from delivery.alerts.enums import IncidentKind
from delivery.alerts.looking import look_around
from delivery.alerts.models import Alert, AlertChoice, AlertMail, Incident
from delivery.alerts.telling import tell_news
from delivery.enums import Hold
from delivery.models import Lane
from tenants.enums import Role
from tenants.members import remove_member
from tenants.models import Membership
from tests.conftest import OTHER_WRITE_KEY, make_member, make_source
from tests.delivery.alerts.conftest import REASON, age_news, at_once, hold, release
from tests.mail_server import TEMPORARY

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _address(settings):
    settings.SITE_URL = "https://app.acme.test"


def run():
    """A look, and what beat and a worker do a minute after it."""
    look_around()
    age_news()
    tell_news()
    return mailing.send_due()


def texts(mail_server):
    return [mail.get_body(("plain",)).get_content() for mail in mail_server.parsed()]


def due_again():
    AlertMail.objects.update(not_before=timezone.now())


def test_hold_is_mailed_once_with_reason_and_link(source, owner, viewer, mail_server):
    hold(source)
    assert [run(), run()] == [1, 0]
    assert mail_server.recipients() == [owner.email]
    (mail,) = mail_server.parsed()
    assert mail["Subject"] == "Main (Acme): Segment refuses the write key"
    assert mail["Auto-Submitted"] == "auto-generated"
    (text,) = texts(mail_server)
    assert REASON in text
    assert f"https://app.acme.test/t/acme/integrations/segment/{source.pk}/" in text
    html = mail.get_body(("html",)).get_content()
    assert REASON in html
    assert f'<a href="https://app.acme.test/t/acme/integrations/segment/{source.pk}/">Main</a>' in html
    assert "<script" not in html


def test_recovery_is_mailed_with_both_times(source, owner, mail_server):
    hold(source)
    run()
    release(source)
    assert [run(), run()] == [1, 0]
    assert mail_server.parsed()[1]["Subject"] == "Main (Acme): Segment takes the write key again"
    assert re.search(r"It began .* UTC and was over .* UTC\.", texts(mail_server)[1])


def test_what_was_over_before_it_was_told_is_told_in_one(source, owner, mail_server):
    hold(source)
    look_around()
    release(source)
    assert run() == 1
    assert mail_server.parsed()[0]["Subject"] == "Main (Acme): Segment refuses the write key (over already)"
    assert REASON in texts(mail_server)[0]


def test_many_sources_at_once_are_one_mail(tenant, owner, admin, mail_server):
    for number in range(23):
        hold(make_source(tenant, OTHER_WRITE_KEY, name=f"S{number}"))
    assert run() == 2
    assert sorted(mail_server.recipients()) == [admin.email, owner.email]
    assert mail_server.parsed()[0]["Subject"] == "Acme: 23 alerts about 23 sources"
    assert texts(mail_server)[0].count(REASON) == 20
    assert "And 3 more." in texts(mail_server)[0]
    Lane.objects.update(hold="", hold_reason="", held_at=None)
    assert run() == 2
    assert mail_server.parsed()[2]["Subject"] == "Acme: 23 alerts about 23 sources are over"


def test_200_sources_held_within_a_minute_are_one_mail(tenant, owner, mail_server):
    """As when the keys cannot be read any more: each is held by its own next turn."""
    sources = [make_source(tenant, OTHER_WRITE_KEY, name=f"S{number}") for number in range(200)]
    for source in sources[:80]:
        hold(source, Hold.KEY_UNREADABLE)
    look_around()
    tell_news()
    age_news(0.5)
    for source in sources[80:]:
        hold(source, Hold.KEY_UNREADABLE)
    look_around()
    tell_news()
    assert Alert.objects.count() == 0
    age_news(0.5)
    tell_news()
    tell_news()
    assert mailing.send_due() == 1
    assert [mail["Subject"] for mail in mail_server.parsed()] == ["Acme: 200 alerts about 200 sources"]
    assert "And 180 more." in texts(mail_server)[0]


def test_hold_by_staff_is_mailed_in_words_for_the_customer(source, owner, staff, mail_server, settings):
    settings.SUPPORT_EMAIL = "help@headwater.test"
    staff_deeds.hold(source, "A loop sends the same event.", by=staff)
    assert run() == 1
    assert mail_server.parsed()[0]["Subject"] == "Main (Acme): Sending is held"
    assert (
        "Our staff has stopped sending: A loop sends the same event. Your events are kept and wait until our staff let "
        "them go. Write to help@headwater.test if you have a question." in texts(mail_server)[0]
    )
    staff_deeds.resume(source, "Mended.", by=staff)
    assert run() == 1
    assert mail_server.parsed()[1]["Subject"] == "Main (Acme): Sending goes on"


def test_fifth_alert_of_an_hour_waits_and_tells_all(tenant, owner, mail_server):
    for number in range(7):
        hold(make_source(tenant, OTHER_WRITE_KEY, name=f"S{number}"))
        run()
    assert len(mail_server.mails) == 4
    Alert.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    run()
    assert [mail["Subject"] for mail in mail_server.parsed()][4:] == ["Acme: 3 alerts about 3 sources"]


def test_one_tenants_flood_keeps_no_other_from_hearing(tenant, owner, stranger, other_source, mail_server):
    for number in range(5):
        hold(make_source(tenant, OTHER_WRITE_KEY, name=f"S{number}"))
        run()
    hold(other_source)
    run()
    assert mail_server.recipients() == [owner.email] * 4 + [stranger.email]


def choose(tenant, user, kinds, *, recovered=True):
    member = Membership.objects.get(tenant=tenant, user=user)
    AlertChoice.objects.update_or_create(membership=member, defaults={"kinds": kinds, "recovered": recovered})


def test_members_hear_of_what_they_chose(tenant, source, owner, admin, viewer, mail_server):
    choose(tenant, viewer, [IncidentKind.KEY_REFUSED], recovered=False)
    choose(tenant, admin, [IncidentKind.BACKLOG])
    hold(source)
    run()
    assert sorted(mail_server.recipients()) == [owner.email, viewer.email]
    release(source)
    run()
    assert sorted(mail_server.recipients()) == [owner.email, owner.email, viewer.email]


def test_nobody_who_wants_it_makes_no_alert(source, viewer, mail_server):
    hold(source)
    assert run() == 0
    assert not Alert.objects.exists()
    assert Incident.objects.get().is_news is False


def test_member_who_leaves_before_the_mail_gets_none(tenant, source, owner, admin, mail_server):
    hold(source)
    look_around()
    age_news()
    tell_news()
    remove_member(tenant, admin, by=owner)
    mail_server.mails.clear()
    mailing.send_due()
    assert mail_server.recipients() == [owner.email]


def test_who_stops_alerts_before_a_retry_gets_none(tenant, source, owner, mail_server):
    mail_server.answers[owner.email] = TEMPORARY
    hold(source)
    assert run() == 0
    choose(tenant, owner, [])
    mail_server.answers.clear()
    due_again()
    assert mailing.send_due() == 0
    assert (AlertMail.objects.get().state, mail_server.mails) == ("not_wanted", [])


def test_mail_server_that_is_away_loses_nothing(source, owner, mail_server, settings):
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    hold(source)
    assert run() == 0
    mail = AlertMail.objects.get()
    assert (mail.state, mail.tries, bool(mail.error)) == ("waiting", 1, True)
    settings.EMAIL_PORT = port
    assert mailing.send_due() == 0
    due_again()
    assert mailing.send_due() == 1
    assert mail_server.recipients() == [owner.email]


def test_refused_mail_is_given_up_after_a_day(source, owner, mail_server):
    mail_server.answers[owner.email] = TEMPORARY
    hold(source)
    run()
    due_again()
    mailing.send_due()
    assert AlertMail.objects.get().state == "waiting"
    AlertMail.objects.update(tries=mailing.MOST_TRIES - 1)
    due_again()
    mailing.send_due()
    due_again()
    assert mailing.send_due() == 0
    mail = AlertMail.objects.get()
    assert (mail.state, mail.tries) == ("given_up", mailing.MOST_TRIES)
    assert mail.error.startswith("SMTPRecipientsRefused at")


def test_tries_of_a_mail_take_a_day(source, owner, mail_server):
    hold(source)
    mail_server.answers[owner.email] = TEMPORARY
    run()
    waits = []
    for _ in range(mailing.MOST_TRIES):
        before = timezone.now()
        due_again()
        mailing.send_due()
        waits.append(AlertMail.objects.get().not_before - before)
    assert timedelta(hours=23) < sum(waits[:-1], timedelta()) < timedelta(hours=25)


def test_mail_whose_workers_all_died_is_given_up(source, owner, mail_server):
    hold(source)
    look_around()
    age_news()
    tell_news()
    AlertMail.objects.update(tries=mailing.MOST_TRIES)
    assert mailing.send_due() == 0
    mail = AlertMail.objects.get()
    assert (mail.state, mail.error, mail_server.mails) == ("given_up", "Whoever sent it died each time.", [])


def test_one_refused_address_keeps_no_other_from_hearing(source, owner, admin, mail_server):
    mail_server.answers[owner.email] = TEMPORARY
    hold(source)
    assert run() == 1
    assert mail_server.recipients() == [admin.email]


def test_several_workers_and_beats_send_each_mail_once(tenant, source, owner, mail_server):
    admins = [make_member(tenant, Role.ADMIN)]
    hold(source)
    at_once(run, 4)
    assert sorted(mail_server.recipients()) == sorted([owner.email, *(user.email for user in admins)])
    assert Alert.objects.count() == 1


def test_name_with_a_line_break_makes_no_header(tenant, owner, mail_server):
    tenant.name = "Acme\nBcc: everybody@acme.test"
    tenant.save()
    hold(make_source(tenant, OTHER_WRITE_KEY, name="<b>Bold</b>"))
    run()
    (mail,) = mail_server.parsed()
    assert mail["Bcc"] is None
    assert "<b>Bold</b>" not in mail.get_body(("html",)).get_content()


def test_old_incidents_and_alerts_are_forgotten(source, owner, mail_server):
    hold(source)
    run()
    release(source)
    run()
    long_ago = timezone.now() - timedelta(days=91)
    Alert.objects.update(created_at=long_ago)
    hold(source)
    look_around()
    Incident.objects.update(opened_at=long_ago)
    Incident.objects.exclude(closed_at=None).update(closed_at=long_ago)
    keeping.forget()
    assert (Alert.objects.count(), AlertMail.objects.count()) == (0, 0)
    assert [incident.closed_at for incident in Incident.objects.all()] == [None]


def test_beats_task_asks_a_worker_to_send(source, owner, mail_server, settings):
    from delivery.redis_link import ask

    keeping.run()
    assert ask(lambda redis: redis.llen("sweep")) == 0
    hold(source)
    look_around()
    age_news()
    keeping.run()
    assert ask(lambda redis: redis.llen("sweep")) == 1
    assert mail_server.mails == []

import re
from functools import partial

import pytest
from django.test import Client
from django.utils import timezone

from delivery.alerts.enums import IncidentKind
from delivery.alerts.links import member_of, stop_url
from delivery.alerts.looking import look_around
from delivery.alerts.models import AlertChoice, AlertLimits, Incident
from delivery.alerts.telling import choice_of
from tenants.models import AuditEntry, Membership
from tests.delivery.alerts.conftest import REASON, at_once, hold

pytestmark = pytest.mark.django_db

ALERTS = "/t/acme/integrations/segment/alerts/"
LIMITS = f"{ALERTS}limits/"


def member(tenant, user):
    return Membership.objects.select_related("alert_choice").get(tenant=tenant, user=user)


def kinds_of(tenant, user):
    return list(choice_of(member(tenant, user)).kinds)


def test_owners_and_admins_are_told_of_everything_by_default(tenant, owner, admin, viewer):
    assert kinds_of(tenant, owner) == kinds_of(tenant, admin) == list(IncidentKind.values)
    assert kinds_of(tenant, viewer) == []


def test_page_shows_what_is_wrong_to_any_member_and_nothing_to_others(
    viewer_client, stranger_client, source, other_source, client
):
    hold(source)
    hold(other_source, reason="Not yours.")
    look_around()
    page = viewer_client.get(ALERTS).content.decode()
    assert REASON in page
    assert "Not yours." not in page
    assert "Change the limits" not in page
    assert stranger_client.get(ALERTS).status_code == 404
    assert client.get(ALERTS).status_code == 302


def test_empty_page_says_that_nothing_is_wrong(admin_client, tenant):
    assert "Nothing is wrong" in admin_client.get(ALERTS).content.decode()


def test_member_chooses_for_oneself(viewer_client, tenant, viewer, owner):
    answer = viewer_client.post(ALERTS, {"kinds": ["backlog", "held"]}, follow=True)
    assert "Your choice is saved." in answer.content.decode()
    chosen = AlertChoice.objects.get()
    assert (chosen.membership.user, sorted(chosen.kinds), chosen.recovered) == (viewer, ["backlog", "held"], False)
    assert kinds_of(tenant, owner) == list(IncidentKind.values)
    assert AuditEntry.objects.get().deed == "chose the alerts of"


def test_unknown_choice_is_refused(viewer_client, tenant):
    assert "Choose from this list." in viewer_client.post(ALERTS, {"kinds": ["everything"]}).content.decode()
    assert not AlertChoice.objects.exists()


def test_admin_sets_the_limits(admin_client, tenant):
    assert 'value="30"' in admin_client.get(LIMITS).content.decode()
    admin_client.post(LIMITS, {"backlog_minutes": 45, "refused_an_hour": 7})
    stored = AlertLimits.objects.get()
    assert (stored.tenant, stored.backlog_minutes, stored.refused_an_hour) == (tenant, 45, 7)
    assert AuditEntry.objects.get().details == {"backlog_minutes": 45, "refused_an_hour": 7}
    assert "45 minutes" in admin_client.get(ALERTS).content.decode()


def limits_form(minutes, refused, page=None):
    """As a browser sends the form that this page showed."""
    form = {"backlog_minutes": minutes, "refused_an_hour": refused}
    return form if page is None else form | {"seen": re.findall(r'name="seen" value="(\w+)"', page.content.decode())[0]}


def test_limits_that_somebody_else_changed_meanwhile_are_shown_and_kept(admin_client, owner_client, tenant):
    page = admin_client.get(LIMITS)
    owner_client.post(LIMITS, limits_form(45, 7, owner_client.get(LIMITS)))
    answer = admin_client.post(LIMITS, limits_form(60, 100, page))
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "They are 45 minutes and 7 events now." in text
    assert 'value="60"' in text
    stored = AlertLimits.objects.get()
    assert (stored.backlog_minutes, stored.refused_an_hour) == (45, 7)
    assert AuditEntry.objects.count() == 1

    assert admin_client.post(LIMITS, limits_form(60, 100, answer)).status_code == 302
    stored.refresh_from_db()
    assert (stored.backlog_minutes, stored.refused_an_hour) == (60, 100)


def test_mistake_in_the_limits_hides_no_change_of_somebody_else(admin_client, owner_client, tenant):
    page = admin_client.get(LIMITS)
    owner_client.post(LIMITS, limits_form(45, 7))
    mistaken = admin_client.post(LIMITS, limits_form(4, 100, page))
    assert admin_client.post(LIMITS, limits_form(5, 100, mistaken)).status_code == 409
    assert AlertLimits.objects.get().backlog_minutes == 45


def test_limits_that_are_sent_twice_are_changed_once(admin_client, tenant):
    form = limits_form(45, 7, admin_client.get(LIMITS))
    assert [admin_client.post(LIMITS, form).status_code for _ in range(2)] == [302, 302]
    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_set_the_limits_at_once_are_told_of_each_other(admin_client, owner_client, tenant):
    forms = [limits_form(45, 7, admin_client.get(LIMITS)), limits_form(60, 9, owner_client.get(LIMITS))]
    posts = [partial(each.post, LIMITS, form) for each, form in zip((admin_client, owner_client), forms, strict=True)]

    def send_next():
        return posts.pop()()

    assert sorted(answer.status_code for answer in at_once(send_next)) == [302, 409]


@pytest.mark.parametrize("values", [{"backlog_minutes": 4, "refused_an_hour": 7}, {"backlog_minutes": 45}])
def test_limits_out_of_range_are_refused(admin_client, tenant, values):
    assert "field__error" in admin_client.post(LIMITS, values).content.decode()
    assert not AlertLimits.objects.exists()


def test_limits_are_not_for_viewers_or_strangers(viewer_client, stranger_client, tenant):
    values = {"backlog_minutes": 45, "refused_an_hour": 7}
    assert [each.post(LIMITS, values).status_code for each in (viewer_client, stranger_client)] == [403, 404]
    assert not AlertLimits.objects.exists()


@pytest.mark.parametrize("count", [1, 30])
def test_page_costs_the_same_queries_for_any_number(viewer_client, source, count, django_assert_num_queries):
    now = timezone.now()
    Incident.objects.bulk_create(
        Incident(tenant=source.tenant, source=source, kind="backlog", reason="r", opened_at=now, closed_at=now)
        for _ in range(count)
    )
    # Session, user, membership with tenant, the choice, limits, open ones, the past's count and rows, the menu.
    with django_assert_num_queries(9):
        viewer_client.get(ALERTS)


def stop_path(tenant, user):
    return stop_url(member(tenant, user)).removeprefix("http://127.0.0.1:8000")


@pytest.fixture(autouse=True)
def _address(settings):
    settings.SITE_URL = "http://127.0.0.1:8000"


def test_stop_asks_first_and_works_without_log_in(client, tenant, owner, admin):
    path = stop_path(tenant, owner)
    assert "Stop the alerts of Acme?" in client.get(path).content.decode()
    assert kinds_of(tenant, owner) == list(IncidentKind.values)
    assert "Alerts are stopped" in client.post(path).content.decode()
    assert (kinds_of(tenant, owner), kinds_of(tenant, admin)) == ([], list(IncidentKind.values))
    assert "Alerts are stopped" in client.get(path).content.decode()


def test_stop_is_taken_from_a_mail_program(tenant, owner):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(stop_path(tenant, owner), {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert kinds_of(tenant, owner) == []


def test_stop_with_a_changed_link_does_nothing(client, tenant, owner, admin):
    path = stop_path(tenant, owner)
    other = re.sub(r"/(\d+):", f"/{member(tenant, admin).pk}:", path)
    assert [client.post(each).status_code for each in (other, "/alerts/stop/nonsense/")] == [404, 404]
    assert not AlertChoice.objects.exists()


def test_stop_of_somebody_who_left_says_so(client, tenant, admin):
    path = stop_path(tenant, admin)
    member(tenant, admin).delete()
    answer = client.get(path)
    assert (answer.status_code, "This link does not work" in answer.content.decode()) == (404, True)
    assert member_of(path.split("/")[-2]) is None

import re

import pytest
from django.test import Client
from django.utils import timezone

from delivery.alerts.enums import IncidentKind
from delivery.alerts.links import member_of, stop_url
from delivery.alerts.looking import look_around
from delivery.alerts.models import AlertChoice, AlertLimits, Incident
from delivery.alerts.telling import choice_of
from tenants.models import AuditEntry, Membership
from tests.delivery.alerts.conftest import REASON, hold

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

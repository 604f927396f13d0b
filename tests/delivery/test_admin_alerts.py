"""Staff's lists of incidents, of the mails that tell of them, and of sources on their way out of the shadow."""

from datetime import UTC, datetime

import pytest

from delivery.alerts.enums import IncidentKind, MailState
from delivery.alerts.models import Alert, AlertMail, Incident
from delivery.shadow_models import GoingLive
from tenants.models import Membership
from tenants.scoping import every_tenant
from tests.delivery.test_admin import cards, text_of
from tests.integrations.test_admin import queries_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODELS = ("incident", "alertmail", "goinglive")
ITEM = {
    "phase": "opened", "kind": "held", "source_id": 1, "source": "Main", "reason": "Paste a new key.",
    "opened_at": "2026-03-01T12:00:00+00:00",
}  # fmt: skip


def address(model, pk="", deed="change"):
    return f"/admin/delivery/{model}/" + (f"{pk}/{deed}/" if pk else "")


def make_all(source, user):
    incident = Incident(
        tenant_id=source.tenant_id, source=source, kind=IncidentKind.HELD, reason="Paste a new key.", opened_at=NOW
    )
    incident.save()
    alert = Alert(tenant_id=source.tenant_id, items=[ITEM], created_at=NOW)
    alert.save()
    member = Membership.objects.get(tenant=source.tenant_id, user=user)
    mail = AlertMail(alert=alert, membership=member, not_before=NOW)
    mail.save()
    going = GoingLive(source=source, first_id=1, end_id=9, left_out=3, requested_by=user.email)
    going.save()
    return {"incident": incident, "alertmail": mail, "goinglive": going}


@pytest.fixture
def everything(source, other_source, owner, stranger):
    make_all(other_source, stranger)
    return make_all(source, owner)


@pytest.mark.parametrize("model", MODELS)
def test_staff_see_those_of_every_tenant_and_find_one(staff_client, everything, model):
    listed = text_of(staff_client.get(address(model)).content.decode())
    assert ("Acme" in listed, "Other" in listed) == (True, True)
    found = staff_client.get(address(model), {"q": "acme"})
    assert [row.pk for row in found.context["cl"].result_list] == [everything[model].pk]
    assert staff_client.get(address(model, everything[model].pk)).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_changed_and_nobody_else_looks(staff_client, owner_client, everything, model):
    with every_tenant():
        before = type(everything[model]).objects.values().get(pk=everything[model].pk)
    for deed in ("change", "delete"):
        page = address(model, everything[model].pk, deed)
        assert staff_client.post(page, {"post": "yes", "left_out": 9}).status_code == 403
        assert owner_client.get(page).status_code == 302
    assert staff_client.get(f"{address(model)}add/").status_code == 403
    with every_tenant():
        assert type(everything[model]).objects.values().get(pk=everything[model].pk) == before


def test_list_of_incidents_tells_what_is_wrong_now(staff_client, everything):
    with every_tenant():
        Incident.objects.filter(pk=everything["incident"].pk).update(closed_at=NOW)
    listed = text_of(staff_client.get(address("incident")).content.decode())
    assert ("Wrong now" in listed, "Over" in listed, "Paste a new key." in listed) == (True, True, True)
    still_open = staff_client.get(address("incident"), {"closed_at__isempty": "1"})
    assert [row.source.name for row in still_open.context["cl"].result_list] == ["Main"]


def test_mail_is_found_by_its_member_and_tells_the_alert(staff_client, everything, owner):
    found = staff_client.get(address("alertmail"), {"q": owner.email.upper()})
    assert [row.pk for row in found.context["cl"].result_list] == [everything["alertmail"].pk]
    response = staff_client.get(address("alertmail", everything["alertmail"].pk))
    assert cards(response)["What the alert tells; a mail has what its member chose"]["table"]["rows"] == [
        ["Began", IncidentKind.HELD.label, "Main", "Paste a new key."]
    ]
    assert "2026-03-01 12:00:00" in response.content.decode()


def test_mail_that_is_sent_has_no_next_try(staff_client, everything):
    with every_tenant():
        AlertMail.objects.update(state=MailState.SENT, not_before=datetime(2026, 7, 1, tzinfo=UTC))
    assert "2026-07-01" not in staff_client.get(address("alertmail")).content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_list_takes_as_many_queries_for_two_as_for_one(staff_client, source, owner, other_source, stranger, model):
    make_all(source, owner)
    one = queries_of(staff_client, address(model))
    make_all(other_source, stranger)
    assert queries_of(staff_client, address(model)) == one

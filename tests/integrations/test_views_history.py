"""What members do to a source is in their tenant's history, and no key is."""

import pytest
from django.urls import reverse

from tenants.models import AuditEntry
from tenants.scoping import every_tenant, scope
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY

KEY = {"write_key": OTHER_WRITE_KEY}


def entries(tenant):
    with scope(tenant.pk):
        return list(AuditEntry.objects.order_by("pk").values_list("by_label", "deed", "subject", "details"))


def post(client, source, name, /, **form):
    return client.post(reverse(f"integrations:{name}", args=["acme", source.pk]), form)


@pytest.mark.parametrize(
    ("name", "form", "entry"),
    [
        ("replace_key", KEY, ("replaced the write key of", "Main", {})),
        ("change_region", {"region": "eu"}, ("changed the region of", "Main", {"before": "us", "after": "eu"})),
        ("rename", {"name": "Shop"}, ("renamed a connection to", "Shop", {"before": "Main"})),
        ("pause", {}, ("paused", "Main", {})),
        ("disconnect", {}, ("disconnected", "Main", {})),
    ],
)
def test_a_change_of_a_source_is_noted(admin_client, tenant, source, name, form, entry):
    post(admin_client, source, name, **form)
    assert entries(tenant) == [("admin@acme.test", *entry)]


def test_connect_resume_and_reconnect_are_noted_and_no_key_is(admin_client, tenant):
    form = {"name": "Main", "region": "eu", "write_key": WRITE_KEY}
    admin_client.post(reverse("integrations:connect", args=["acme"]), form)
    with scope(tenant.pk):
        source = tenant.sources.get()
    for name, given in (("pause", {}), ("resume", {}), ("disconnect", {}), ("reconnect", KEY | {"region": "us"})):
        post(admin_client, source, name, **given)
    deeds = [(deed, subject, details) for _, deed, subject, details in entries(tenant)]
    assert deeds == [
        ("connected", "Main", {"region": "eu"}),
        ("paused", "Main", {}),
        ("resumed", "Main", {}),
        ("disconnected", "Main", {}),
        ("reconnected", "Main", {}),
    ]
    with every_tenant():
        written = repr(list(AuditEntry.objects.values()))
    page = admin_client.get("/t/acme/history/").content.decode()
    for key in (WRITE_KEY, OTHER_WRITE_KEY):
        assert key not in written + page
        assert key[-4:] not in written


@pytest.mark.parametrize(
    ("name", "form"), [("resume", {}), ("replace_key", {"write_key": "x"}), ("rename", {"name": ""})]
)
def test_what_was_not_done_is_not_noted(admin_client, tenant, source, name, form):
    post(admin_client, source, name, **form)
    assert entries(tenant) == []


def test_what_a_viewer_may_not_do_is_not_noted(viewer_client, tenant, source):
    assert post(viewer_client, source, "pause").status_code == 403
    assert entries(tenant) == []

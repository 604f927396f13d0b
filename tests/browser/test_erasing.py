"""An owner deletes a source, or the company, and its receipt tells when all of it is gone."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from delivery.models import Event
from delivery.outbox import capture
from integrations.models import Source
from integrations.spec.calls import track
from tenants import erasure
from tenants.models import Erasure, Tenant
from tenants.scoping import every_tenant, scope
from tests.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_source_is_deleted_by_its_name_and_leaves_a_receipt(opened, owner, source):
    with scope(source.tenant_id):
        capture(source.tenant_id, track(event="Email Opened", user_id="u-1"))
    desk = opened(owner)
    desk.goto(f"/t/acme/integrations/segment/{source.pk}/")
    desk.get_by_role("link", name="Delete").click()
    desk.get_by_label("Type the name to confirm").fill("Main")
    desk.get_by_role("button", name="Delete the source").click()
    expect(desk.get_by_role("heading", name="Receipt of an erasure")).to_be_visible()
    expect(desk.locator("main")).to_contain_text("It begins within a minute.")

    assert eventually(erasure.run) == 1
    desk.reload()
    expect(desk.locator("main")).to_contain_text("What is listed here was erased.")
    with desk.expect_download() as download:
        desk.get_by_role("link", name="Download as JSON").click()
    receipt = json.loads(Path(download.value.path()).read_text())
    with every_tenant():
        assert receipt["id"] == str(Erasure.objects.get().pk)
        assert (Source.objects.count(), Event.objects.count()) == (0, 0)
    assert (receipt["subject"], receipt["by_label"], receipt["counts"]["events"]) == ("Main", owner.email, 1)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_company_is_deleted_by_its_name_and_leads_its_owner_out(opened, owner, viewer, source, script):
    desk, theirs = opened(owner, script=script), opened(viewer, script=script)
    theirs.goto("/t/acme/")
    desk.goto("/t/acme/settings/")
    desk.get_by_role("link", name="Privacy and data").click()
    desk.get_by_role("link", name="Delete the company").click()
    expect(desk.get_by_role("heading", name="Delete Acme?")).to_be_visible()
    expect(desk.locator("main")).to_contain_text("All its sources are deleted.")
    expect(desk.locator("main")).to_contain_text(
        "Events, people, campaigns and the history are erased within the hour."
    )
    desk.get_by_label("Type the name to confirm").fill("acme")
    desk.get_by_role("button", name="Delete the company").click()
    expect(desk.get_by_text("This is not the name.")).to_be_visible()
    desk.get_by_label("Type the name to confirm").fill("Acme")
    desk.get_by_role("button", name="Delete the company").click()
    expect(desk.get_by_text("Acme is closed, and its data is being erased.")).to_be_visible()
    expect(desk.get_by_role("heading", name="Receipt of an erasure")).to_be_visible()
    receipt = desk.url

    assert eventually(erasure.run) == 1
    for page in (desk, theirs):
        page.goto("/t/acme/")
        expect(page.get_by_role("heading", name="There is no such page for you")).to_be_visible()
    desk.goto(receipt)
    expect(desk.locator("main")).to_contain_text("What is listed here was erased.")
    desk.get_by_role("link", name="To your companies").click()
    expect(desk.get_by_role("heading", name="Name your company")).to_be_visible()
    assert not Tenant.objects.exists()

"""An owner's export in each of its states: told plainly, accessible, and live until the file is there."""

import zipfile
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from tenants import erasure
from tenants.enums import ExportState
from tenants.exports.making import run
from tenants.exports.models import Export
from tenants.exports.services import TOOK_BACK
from tests.browser.looking import findings, signed_in
from tests.delivery.steps import in_thread
from tests.pages.world import World
from tests.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

PRIVACY = "/t/acme/privacy/"


@pytest.fixture(scope="module")
def owner(browser: Browser, world: World, address_of_site: str):
    context = signed_in(browser, world, "owner", address_of_site)
    yield context.new_page()
    context.close()


def do(what: Callable[[], object]) -> object:
    """By another connection than the test's, whose transaction the site would see nothing of."""
    return in_thread(what).result(60)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"state": ExportState.EXPIRED}, "is deleted."),
        ({"state": ExportState.EXPIRED, "reason": TOOK_BACK}, TOOK_BACK),
        ({"state": ExportState.FAILED, "reason": "It could not be made, 5 times in a row."}, "It could not be made"),
        ({"state": ExportState.WAITING}, "It begins within a minute."),
        ({"state": ExportState.WAITING, "moved_at": timezone.now() - timedelta(minutes=7)}, "Nothing has happened"),
        (
            {"state": ExportState.RUNNING, "rows_done": 412_000, "rows_expected": 1_000_000},
            "412,000 of about 1,000,000",
        ),
    ],
    ids=["expired", "taken back", "failed", "waiting", "late", "running"],
)
def test_state_is_told_and_accessible(owner: Page, world: World, request, values, told: str):
    before = {"reason": "", "moved_at": timezone.now(), "rows_done": 0}
    do(lambda: Export.objects.update(**before | values))
    owner.goto(PRIVACY)
    expect(owner.locator("#export").get_by_text(told)).to_be_visible()
    assert findings(owner, f"export-{request.node.callspec.id}") == []


def test_file_is_asked_for_watched_and_downloaded(owner: Page, world: World):
    do(lambda: Export.objects.all().delete())
    # Until what is asked to be erased is erased, no export begins.
    assert eventually(lambda: do(erasure.run)) == 1
    owner.goto(PRIVACY)
    assert findings(owner, "export-none") == []
    owner.get_by_role("link", name="Export all data").click()
    owner.get_by_role("button", name="Export all data").click()
    expect(owner.locator("#export").get_by_text("Waiting")).to_be_visible()
    do(lambda: run(seconds=0))
    expect(owner.locator("#export").get_by_text("Being made")).to_be_visible()
    do(run)
    with owner.expect_download() as download:
        owner.locator("#export").get_by_role("link", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as file:
        assert (file.testzip(), "delivery/events.jsonl" in file.namelist()) == (None, True)
    assert findings(owner, "export-ready") == []

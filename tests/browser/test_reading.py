"""The live list of events holds still while somebody reads in it, and tells what has come."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from delivery.outbox import capture
from integrations.models import Source
from integrations.spec.calls import track
from tenants.scoping import scope
from tests.browser.looking import signed_in
from tests.pages.world import World

# Without the mark of the database: what happens is committed, for the site to see, and flushed with the world.
pytestmark = pytest.mark.browser

PATIENCE = 15_000
"""Milliseconds; the list asks every three seconds."""


def happen(world: World, number: int) -> None:
    with scope(int(world.values["tenant_id"])):
        source = Source.objects.get(pk=world.values["source_id"])
        for count in range(number):
            call = track(event="Email Opened", user_id=f"user-{count}", properties={"email_id": "e-1"})
            assert capture(source.tenant_id, call, sources=[source]).event_ids


@pytest.fixture
def events(browser: Browser, world: World, address_of_site: str) -> Iterator[Page]:
    """More than fit on the screen."""
    happen(world, 40)
    context = signed_in(browser, world, "owner", address_of_site, viewport={"width": 1280, "height": 700})
    page = context.new_page()
    page.goto(f"/t/acme/integrations/segment/{world.values['source_id']}/delivery/")
    yield page
    context.close()


def rows(page: Page) -> int:
    return page.locator("#stream tbody tr").count()


def test_what_is_read_stays_where_it_is_and_the_new_are_shown_when_asked_for(world: World, events: Page):
    read = events.locator("#stream tbody tr").nth(30)
    name = read.get_by_role("link").get_attribute("id")
    read.scroll_into_view_if_needed()
    before = events.locator(f"#{name}").bounding_box()
    happen(world, 2)
    button = events.get_by_role("button", name="2 new events: show")
    expect(button).to_be_in_viewport(timeout=PATIENCE)
    assert events.locator(f"#{name}").bounding_box() == before

    happen(world, 1)
    button = events.get_by_role("button", name="3 new events: show")
    expect(button).to_be_visible(timeout=PATIENCE)
    button.click()
    expect(events.locator("#stream tbody tr").nth(33).get_by_role("link")).to_have_attribute("id", name or "")
    expect(events.locator("#stream tbody a").first).to_be_focused()
    expect(events.get_by_role("heading", name="Newest events")).to_be_in_viewport()
    expect(events.locator("[data-new-events]")).to_be_hidden()


def test_back_at_the_top_the_list_goes_on_by_itself(world: World, events: Page):
    newest = events.locator("#stream tbody a").first
    before = newest.get_attribute("id") or ""
    events.locator("#stream tbody tr").nth(30).scroll_into_view_if_needed()
    happen(world, 1)
    expect(events.get_by_role("button", name="1 new event: show")).to_be_visible(timeout=PATIENCE)
    events.evaluate("scrollTo(0, 0)")
    expect(newest).not_to_have_attribute("id", before, timeout=PATIENCE)
    expect(events.locator("[data-new-events]")).to_be_hidden()


def test_a_selection_is_kept(world: World, events: Page):
    events.evaluate("getSelection().selectAllChildren(document.querySelector('#stream tbody td.wraps'))")
    chosen = events.evaluate("getSelection().toString()")
    happen(world, 1)
    expect(events.get_by_role("button", name="1 new event: show")).to_be_visible(timeout=PATIENCE)
    assert events.evaluate("getSelection().toString()") == chosen != ""

"""Every page in a browser: nothing that axe calls serious, that a phone cuts off, or that the policy stops.

`make screenshots` has each one drawn on the way, to var/screenshots/.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.looking import findings, signed_in
from tests.pages.addresses import Address, all_addresses
from tests.pages.rows import ROWS
from tests.pages.world import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

PAGES = [
    address for address in all_addresses("tests.pages.urls") if address.name in ROWS and ROWS[address.name].reader()
]


@pytest.fixture(scope="module")
def pages(browser: Browser, world: World, address_of_site: str) -> Iterator[dict[str, Page]]:
    """A page for each role that is signed in already."""
    contexts = {role: signed_in(browser, world, role, address_of_site) for role in ("anonymous", "owner", "staff")}
    yield {role: context.new_page() for role, context in contexts.items()}
    for context in contexts.values():
        context.close()


@pytest.mark.parametrize("address", PAGES, ids=lambda address: address.name)
def test_page_is_accessible_fits_and_keeps_to_its_policy(world: World, pages: dict[str, Page], address: Address):
    row = ROWS[address.name]
    page = pages[row.reader() or "anonymous"]
    page.goto(row.path(address, world))
    assert findings(page, address.name, is_ours=not address.is_of_the_admin) == []


@pytest.fixture
def desk(browser: Browser, world: World, address_of_site: str) -> Iterator[Page]:
    """The owner's browser, in Auckland."""
    context = signed_in(browser, world, "owner", address_of_site, timezone_id="Pacific/Auckland")
    yield context.new_page()
    context.close()


def test_times_are_in_the_readers_zone(desk: Page):
    desk.goto("/t/acme/history/")
    at = desk.locator("main time").first
    expect(at).to_have_attribute("title", re.compile(r"^\d+ \w+ \d{4}, \d\d:\d\d UTC$"))
    expect(at).to_have_text(re.compile(r"^\d+ \w+ \d{4}, \d\d:\d\d GMT\+1[23]$"))


def test_a_form_is_sent_once_however_often_its_button_is_pressed(desk: Page):
    desk.goto("/t/acme/campaigns/people/new/")
    desk.get_by_label("Email").fill("twice@customer.test")
    posts: list[str] = []
    desk.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    desk.locator("main form button[type=submit]").dblclick()
    expect(desk.get_by_text("twice@customer.test").first).to_be_visible()
    assert len(posts) == 1


def test_the_keyboard_comes_to_what_went_wrong(desk: Page):
    desk.goto("/t/acme/integrations/segment/connect/")
    desk.locator("main form").evaluate("(form) => { form.noValidate = true; }")
    desk.locator("main form button[type=submit]").last.click()
    expect(desk.locator('main [role="alert"], main [aria-invalid="true"]').first).to_be_focused()


def test_the_first_stop_of_the_keyboard_skips_to_the_content(desk: Page):
    desk.goto("/t/acme/")
    desk.keyboard.press("Tab")
    skip = desk.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    assert skip.evaluate("(link) => getComputedStyle(link).outlineStyle") == "solid"
    desk.keyboard.press("Enter")
    expect(desk.locator("main#content")).to_be_focused()

"""Every page of the URL configuration in a browser: nothing that axe calls serious, nothing that the policy stops.

`make screenshots` has each one drawn on the way, to var/screenshots/.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.pages.addresses import Address, all_addresses
from tests.pages.rows import ROWS
from tests.pages.world import World, built_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

PAGES = [
    address for address in all_addresses("tests.pages.urls") if address.name in ROWS and ROWS[address.name].reader()
]
WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")

SERIOUS = """async (scheme) => {
    const options = {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]};
    const {violations} = await axe.run(document, options);
    const named = (rule) => `${scheme}: ${rule.id} at ${rule.nodes.map((node) => node.target.join(" ")).join(", ")}`;
    return violations.filter((rule) => ["serious", "critical"].includes(rule.impact)).map(named);
}"""

NOTE_WHAT_THE_POLICY_STOPS = """
window.stopped = [];
document.addEventListener("securitypolicyviolation", (event) => {
    window.stopped.push(`${event.effectiveDirective}: ${event.blockedURI} in ${event.sourceFile}`);
});
"""


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, segment_process) -> Iterator[World]:
    segment_process.reset()
    with django_db_blocker.unblock():
        with built_world(segment_process) as world:
            yield world
        # Once Playwright's loop has ended, this thread has other connections, and these would keep the database busy.
        connections.close_all()


@pytest.fixture(scope="module")
def address_of_site(world: World) -> Iterator[str]:
    server = LiveServer("127.0.0.1")
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def pages(browser: Browser, world: World, address_of_site: str) -> Iterator[dict[str, Page]]:
    """A page for each role that is signed in already."""
    contexts = {role: signed_in(browser, world, role, address_of_site) for role in ("anonymous", "owner", "staff")}
    yield {role: context.new_page() for role, context in contexts.items()}
    for context in contexts.values():
        context.close()


def signed_in(browser: Browser, world: World, role: str, address_of_site: str, **options: str) -> BrowserContext:
    context = browser.new_context(base_url=address_of_site, **options)  # type: ignore[arg-type]  # names of options
    context.add_init_script(NOTE_WHAT_THE_POLICY_STOPS)
    if role != "anonymous":
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": world.cookies[role], "url": address_of_site}
        context.add_cookies([cookie])  # type: ignore[list-item]  # a plain dict would do
    return context


@pytest.mark.parametrize("address", PAGES, ids=lambda address: address.name)
def test_page_is_accessible_and_keeps_to_its_policy(world: World, pages: dict[str, Page], address: Address):
    row = ROWS[address.name]
    page = pages[row.reader() or "anonymous"]
    page.goto(row.path(address, world))
    stopped = page.evaluate("window.stopped")
    page.evaluate(AXE_SCRIPT)
    assert [stopped, *(look(page, address, scheme) for scheme in SCHEMES)] == [[], [], []]


def look(page: Page, address: Address, scheme: str) -> list[str]:
    """The serious findings of axe in this scheme."""
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark", reduced_motion="reduce")
    if "SCREENSHOTS" in os.environ:
        draw(page, Path(os.environ["SCREENSHOTS"]), f"{address.name}-{scheme}")
    # The admin's pages are Unfold's.
    found: list[str] = [] if address.is_of_the_admin else page.evaluate(SERIOUS, scheme)
    return found


def draw(page: Page, folder: Path, name: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=folder / f"{re.sub(r'[^a-z0-9]+', '-', name)}-{width}.png", full_page=True)


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

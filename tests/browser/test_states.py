"""The pages of sources in every state, of long names, and of errors: as accessible as the others, and they fit."""

import re
from collections.abc import Iterator, Mapping

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Page, expect

from delivery.pages.standing import Kind
from tests.browser.looking import findings, signed_in
from tests.pages.states import LONG, SLUG, STATES, add_company
from tests.pages.world import World
from tests.segment_fixture import SegmentStandIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

SEGMENT = f"/t/{SLUG}/integrations/segment/"


@pytest.fixture(scope="module")
def sources(world: World, segment_process: SegmentStandIn) -> Mapping[str, int]:
    return add_company(world.people["owner"], segment_process)


@pytest.fixture(scope="module")
def reader(browser: Browser, world: World, address_of_site: str, sources: Mapping[str, int]) -> Iterator[Page]:
    context = signed_in(browser, world, "owner", address_of_site)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("how", STATES)
def test_page_of_a_source_says_how_it_stands(reader: Page, sources: Mapping[str, int], how: str):
    reader.goto(f"{SEGMENT}{sources[how]}/")
    expect(reader.locator("#source-state .notice strong").first).to_have_text(re.compile(SENTENCES[Kind(how)]))
    assert findings(reader, f"state-{how}") == []


SENTENCES = {
    Kind.UNVERIFIED: "^Unverified:",
    Kind.WORKING: "^Working:",
    Kind.NEVER_USED: "^Never used:",
    Kind.REFUSED: "^Nothing could be sent so far:",
    Kind.HELD: "^Held:",
    Kind.FAILING: "^Trying again:",
    Kind.GIVEN_UP: "^Nothing is accepted so far:",
    Kind.BACKLOG: "^Catching up:",
    Kind.SHADOW: "^Shadow:",
    Kind.PAUSED: "^Paused:",
    Kind.DISCONNECTED: "^Disconnected:",
}


@pytest.mark.parametrize("how", ["given_up", "held", "refused", "never_used", "shadow"])
@pytest.mark.parametrize("tab", ["delivery/", "refused/", "requests/"])
def test_lists_of_a_source_fit_whatever_they_hold(reader: Page, sources: Mapping[str, int], how: str, tab: str):
    reader.goto(f"{SEGMENT}{sources[how]}/{tab}")
    assert findings(reader, f"state-{how}-{tab}") == []


@pytest.mark.parametrize(
    "path", ["", "members/", "history/", "integrations/", "integrations/segment/", "integrations/segment/alerts/"]
)
def test_long_names_fit(reader: Page, path: str):
    reader.goto(f"/t/{SLUG}/{path}")
    assert findings(reader, f"long-{path}") == []


def test_long_names_fit_on_an_event(reader: Page, sources: Mapping[str, int]):
    reader.goto(f"{SEGMENT}{sources['working']}/delivery/")
    expect(reader.get_by_role("heading", level=1)).to_have_text(LONG)
    assert findings(reader, "long-events") == []
    reader.locator("#stream tbody a").first.click()
    reader.get_by_text("As a curl command").click()
    assert findings(reader, "long-event") == []


@pytest.mark.parametrize("code", ["403", "403_csrf", "404", "429", "500", "503"])
def test_error_page_is_accessible_and_fits(browser: Browser, address_of_site: str, code: str):
    context = browser.new_context(base_url=f"{address_of_site}/")
    page = context.new_page()
    # Its own stylesheet comes from the site; the page needs nothing else.
    page.route(
        "**/error-page", lambda route: route.fulfill(body=render_to_string(f"{code}.html"), content_type="text/html")
    )
    page.goto("error-page")
    page.evaluate("window.stopped = []")
    assert findings(page, f"error-{code}") == []
    context.close()

"""The pages by the keyboard, for those who want nothing to move, and on a screen of 320 pixels."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.looking import signed_in, too_wide
from tests.pages.world import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

SEGMENT = "/t/acme/integrations/segment/"
PAGES = {
    "overview": "/t/acme/",
    "sources": SEGMENT,
    "connect": f"{SEGMENT}connect/",
    "check": f"{SEGMENT}{{source_id}}/check/",
    "home of a source": f"{SEGMENT}{{source_id}}/",
    "events": f"{SEGMENT}{{source_id}}/delivery/",
    "event": f"{SEGMENT}{{source_id}}/delivery/{{event_id}}/",
    "what is sent": f"{SEGMENT}{{source_id}}/sent/",
    "members": "/t/acme/members/",
    "sessions": "/accounts/sessions/",
}

STOP = """() => {
    const element = document.activeElement;
    if (element === document.body) return null;
    const {top, bottom, left, width, height} = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    return {
        name: `${element.tagName} ${element.textContent.trim().slice(0, 40) || element.name}`,
        isFirstAgain: "passed" in element.dataset || !(element.dataset.passed = "1"),
        isSeen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && width > 1 && height > 1,
        isInMain: Boolean(element.closest("main")),
        top: top + scrollY, bottom: bottom + scrollY, left,
    };
}"""

MOVES = """() => {
    const seconds = (list) => Math.max(...list.split(",").map(parseFloat));
    const moves = ({transitionDuration, animationName}) => seconds(transitionDuration) > 0 || animationName !== "none";
    const parts = [...document.querySelectorAll("*")].flatMap((element) =>
        ["", "::before", "::after"].map((part) => [element, getComputedStyle(element, part)]));
    return parts.filter(([, style]) => moves(style)).map(([element]) => `${element.tagName} ${element.className}`);
}"""


@pytest.fixture
def page(browser: Browser, world: World, address_of_site: str) -> Iterator[Page]:
    context = signed_in(browser, world, "owner", address_of_site, viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def stops(page: Page) -> list[dict[str, Any]]:
    """What the keyboard comes to, until it leaves the page or begins anew."""
    found: list[dict[str, Any]] = []
    while len(found) < 200:
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None or stop["isFirstAgain"]:
            return found
        found.append(stop)
    raise AssertionError("The keyboard does not come to the end of the page.")


def is_after(stop: dict[str, Any], other: dict[str, Any]) -> bool:
    """In the order of reading: further down, or further right beside it or in the next column."""
    return bool(stop["bottom"] > other["top"] or stop["left"] > other["left"])


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_goes_in_the_order_of_reading_and_is_seen_at_each_stop(world: World, page: Page, name: str):
    page.goto(PAGES[name].format(**world.values))
    found = stops(page)
    assert found[0]["name"] == "A Skip to content"
    assert [stop["name"] for stop in found if not stop["isSeen"]] == []
    within = [stop for stop in found if stop["isInMain"]]
    pairs = zip(within[1:], within, strict=False)
    assert [(one["name"], other["name"]) for one, other in pairs if not is_after(one, other)] == []
    assert (
        len(within)
        >= page.locator("main :is(a[href], button, input:not([type=radio], [type=hidden]), select):visible").count()
    )


@pytest.mark.parametrize("name", PAGES)
def test_nothing_moves_for_those_who_asked_for_that(world: World, page: Page, name: str):
    page.emulate_media(reduced_motion="no-preference")
    page.goto(PAGES[name].format(**world.values))
    assert page.evaluate(MOVES) != []
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(MOVES) == []


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_when_it_is_magnified_fourfold(world: World, page: Page, name: str):
    """1280 pixels at 400 % are 320: WCAG's reflow."""
    page.goto(PAGES[name].format(**world.values))
    assert too_wide(page, 320) == []
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 320

"""Looking at a page: what axe calls serious, what does not fit on a phone; and drawing it."""

import os
import re
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.visitors import hand_over
from tests.pages.world import World

PHONE: Final = 390
WIDTHS: Final = (PHONE, 1280)
SCHEMES: Final = ("light", "dark")

# Nothing but the colours differs in the dark.
RULES: Final = {"light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "dark": ["color-contrast"]}
SERIOUS: Final = """async ([scheme, runOnly]) => {
    const {violations} = await axe.run(document, {resultTypes: ["violations"], preload: false, runOnly});
    const named = (rule) => rule.nodes.map((node) => `${scheme}: ${rule.id} at ${node.target.join(" ")}`);
    return violations.filter((rule) => ["serious", "critical"].includes(rule.impact)).flatMap(named);
}"""

# What scrolls by itself has its words cut by its own edge, as it should.
TOO_WIDE: Final = """() => {
    const wide = (element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
    const scrolls = (element) => element.closest("pre, .table-scroll, .nav, .tabs, .visually-hidden, iframe");
    const found = [...document.querySelectorAll("main *")].filter((element) => wide(element) && !scrolls(element));
    const named = (element) => `too wide: ${element.tagName} ${element.className}`;
    return found.map((element) => `${named(element)}: ${element.textContent.trim().slice(0, 60)}`);
}"""

# Unfold asks for the scheme when it is loaded, and says so in a class.
UNFOLDS_SCHEME: Final = """(scheme) => document.documentElement.classList.toggle("dark", scheme === "dark")"""

NOTE_WHAT_THE_POLICY_STOPS: Final = """
window.stopped = [];
document.addEventListener("securitypolicyviolation", (event) => {
    window.stopped.push(`${event.effectiveDirective}: ${event.blockedURI} in ${event.sourceFile}`);
});
"""


def signed_in(browser: Browser, world: World, role: str, address_of_site: str, **options: Any) -> BrowserContext:
    context = browser.new_context(base_url=address_of_site, **options)
    context.add_init_script(NOTE_WHAT_THE_POLICY_STOPS)
    if role != "anonymous":
        hand_over(world.cookies[role], context, address_of_site)
    return context


def findings(page: Page, name: str, *, is_ours: bool = True) -> list[str]:
    """Of the page that is open: what the policy stopped, what axe finds serious, and what a phone cuts off.

    The admin's pages are Unfold's, whose tables may be wider than a phone.
    """
    found: list[str] = page.evaluate("window.stopped")
    page.evaluate(AXE_SCRIPT)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark", reduced_motion="reduce")
        if not is_ours:
            page.evaluate(UNFOLDS_SCHEME, scheme)
        if "SCREENSHOTS" in os.environ:
            draw(page, Path(os.environ["SCREENSHOTS"]), f"{name}-{scheme}")
        found += page.evaluate(SERIOUS, [scheme, RULES[scheme]])
    return found + too_wide(page) if is_ours else found


def too_wide(page: Page, width: int = PHONE) -> list[str]:
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": 900})
    found: list[str] = page.evaluate(TOO_WIDE)
    if before:
        page.set_viewport_size(before)
    return found


def draw(page: Page, folder: Path, name: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if page.locator("iframe").count():
            # A sandboxed frame, which is of another origin, is painted on the screen alone.
            page.set_viewport_size({"width": width, "height": page.evaluate("document.documentElement.scrollHeight")})
            page.wait_for_timeout(300)
        page.screenshot(path=folder / f"{re.sub(r'[^a-z0-9]+', '-', name)}-{width}.png", full_page=True)

"""Connect, check, find out why not: as somebody does it who has never seen the pages, in a real browser.

The worker and the stand-in for Segment are real. The code is read where a customer reads it: in what has arrived.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.product import Product
from tests.browser.test_story import ADA, send_campaign
from tests.waiting import eventually

pytestmark = pytest.mark.browser

READERS: dict[str, dict[str, Any]] = {
    "at a desk": {},
    "without JavaScript": {"java_script_enabled": False},
    "on a phone": {"viewport": {"width": 390, "height": 844}},
}
KEYS = {
    name: f"{name:k<32}"[:32]
    for name in ("desk", "without", "phone", "keyboard", "moved", "shadow", "paused", "gone", "chosen", "held")
}


@pytest.fixture(scope="module")
def session(browser: Browser, product: Product) -> Any:
    """The cookies of Ada, who owns Acme: a log-in for each test would be most of their time."""
    context = browser.new_context()
    product.log_in(context.new_page(), ADA)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def reader(request, browser: Browser, session: Any) -> Iterator[Page]:
    """Ada's browser; at a desk, unless the test says otherwise."""
    context = browser.new_context(storage_state=session, **READERS[getattr(request, "param", "at a desk")])
    yield context.new_page()
    context.close()


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Pages are waited for, and none of these tests is about how long it took."""
    expect.set_options(timeout=20_000)
    yield
    expect.set_options(timeout=5_000)


def open_form(page: Page, product: Product) -> None:
    page.goto(f"{product.address}/t/acme/")
    page.get_by_role("link", name="Integrations").first.click()
    page.get_by_role("link", name="Set up Segment").click()
    page.get_by_role("link", name="Connect a source").click()


def fill_in(page: Page, name: str, write_key: str, region: str = "United States (Oregon)") -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("textbox", name="Write key").fill(write_key)
    page.get_by_label(region).check()


def connect(page: Page, product: Product, name: str, write_key: str, region: str = "United States (Oregon)") -> None:
    open_form(page, product)
    fill_in(page, name, write_key, region)
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("heading", name="Check that events arrive")).to_be_visible()


def code_in_segment(product: Product, write_key: str, region: str = "us", number: int = 1) -> str:
    """The code of the test event, once so many of them have arrived."""

    def codes() -> list[str]:
        calls = product.calls(region, write_key)
        return [call["properties"]["test_code"] for call in calls if call["event"] == "Integration Tested"]

    return eventually(codes, lambda found: len(found) >= number)[-1]


def wrong(code: str) -> str:
    return code[::-1] if code != code[::-1] else "A" + code[1:]


def confirm(page: Page, product: Product, write_key: str, region: str = "us", number: int = 1) -> None:
    page.get_by_role("button", name=re.compile("^Send a")).click()
    page.get_by_role("textbox", name="The code").fill(code_in_segment(product, write_key, region, number))
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.get_by_text("is confirmed: what is sent to it arrives")).to_be_visible()


@pytest.mark.parametrize(
    ("reader", "who"), [(reader, who) for reader, who in zip(READERS, KEYS, strict=False)], indirect=["reader"]
)
def test_a_newcomer_connects_and_sees_that_events_arrive(reader: Page, product: Product, who: str):
    write_key = KEYS[who]
    open_form(reader, product)
    fill_in(reader, f"Shop {who}", write_key)
    reader.get_by_text("Events: all 6 are sent. Choose").click()
    reader.get_by_label("Email Bounced", exact=True).uncheck()
    reader.get_by_role("button", name="Connect").click()

    expect(reader.get_by_text(f"“Shop {who}” is connected.")).to_be_visible()
    reader.get_by_role("button", name="Send a test event").click()
    code = code_in_segment(product, write_key)
    reader.get_by_role("textbox", name="The code").fill(wrong(code))
    reader.get_by_role("button", name="Confirm", exact=True).click()
    expect(reader.get_by_text("This is not the code of the newest test event.")).to_be_visible()
    expect(reader.get_by_text("4 tries left for this code.")).to_be_visible()
    reader.get_by_role("textbox", name="The code").fill(f" {code[:3].lower()} {code[3:].lower()}")
    reader.get_by_role("button", name="Confirm", exact=True).click()

    expect(reader.get_by_role("heading", name=f"Shop {who}")).to_be_visible()
    expect(reader.get_by_text("Confirmed", exact=True).first).to_be_visible()
    expect(reader.get_by_text("All but Email Bounced")).to_be_visible()
    assert write_key not in reader.content()


def tab_to(page: Page, goal: Locator) -> None:
    """By the keyboard alone, from where the focus is."""
    for _ in range(120):
        if goal.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"The keyboard does not come to {goal}.")


def type_into(page: Page, goal: Locator, text: str) -> None:
    tab_to(page, goal)
    page.keyboard.type(text)


def press(page: Page, goal: Locator, key: str = "Enter") -> None:
    tab_to(page, goal)
    page.keyboard.press(key)


def test_a_newcomer_needs_no_mouse(reader: Page, product: Product):
    reader.goto(f"{product.address}/t/acme/")
    press(reader, reader.get_by_role("link", name="Integrations").first)
    reader.wait_for_url("**/integrations/")
    press(reader, reader.get_by_role("link", name="Set up Segment"))
    reader.wait_for_url("**/segment/")
    press(reader, reader.get_by_role("link", name="Connect a source"))
    reader.wait_for_url("**/connect/")
    type_into(reader, reader.get_by_label("Name", exact=True), "By keyboard")
    type_into(reader, reader.get_by_role("textbox", name="Write key"), KEYS["keyboard"])
    press(reader, reader.get_by_label("United States (Oregon)"), "Space")
    press(reader, reader.get_by_text("Events: all 6 are sent. Choose"))
    press(reader, reader.get_by_label("Email Marked as Spam", exact=True), "Space")
    press(reader, reader.get_by_role("button", name="Connect"))
    reader.wait_for_url("**/check/")

    press(reader, reader.get_by_role("button", name="Send a test event"))
    expect(reader.get_by_role("button", name="Send another one")).to_be_visible()
    code = code_in_segment(product, KEYS["keyboard"])
    type_into(reader, reader.get_by_role("textbox", name="The code"), wrong(code))
    reader.keyboard.press("Enter")
    expect(reader.get_by_role("textbox", name="The code")).to_be_focused()
    reader.keyboard.press("ControlOrMeta+A")
    reader.keyboard.type(code)
    reader.keyboard.press("Enter")

    expect(reader.get_by_role("heading", name="By keyboard")).to_be_visible()
    expect(reader.get_by_text("All but Email Marked as Spam")).to_be_visible()


def test_what_does_not_show_up_is_found_out_step_by_step_and_a_new_key_asks_again(reader: Page, product: Product):
    """The workspace is in Europe, and Segment answers 200 in the United States all the same."""
    write_key = KEYS["moved"]
    told = {"region": "eu", "key": write_key}
    httpx.put(f"{product.segment}/_control/keys", json=told).raise_for_status()
    connect(reader, product, "Moved", write_key)
    reader.get_by_role("button", name="Send a test event").click()
    # The page tells by itself how it went.
    expect(reader.get_by_text("Segment answered 200. It answers so to a wrong key, too.")).to_be_visible()
    outcome = reader.locator("#last-answer > p")
    outcome.evaluate("(paragraph) => { paragraph.isTheFirst = true; }")
    for _ in range(3):
        with reader.expect_response("**/check/"):
            pass
    # Put there anew it would be read out each time.
    assert outcome.evaluate("(paragraph) => paragraph.isTheFirst")

    reader.get_by_role("link", name="It does not show up").click()
    steps = reader.locator("ol.steps > li strong:first-child").all_inner_texts()
    assert [step.strip(".") for step in steps] == [
        "The write key is wrong",
        "The region is wrong",
        "The source is disabled in Segment",
        "The Debugger did not show it",
    ]
    reader.get_by_role("link", name="Change the region").click()
    reader.get_by_label("Europe (Dublin)").check()
    reader.get_by_role("button", name="Change region").click()
    confirm(reader, product, write_key, "eu")

    reader.get_by_role("link", name="Replace key").click()
    reader.get_by_role("textbox", name="Write key").fill(write_key[::-1])
    reader.get_by_role("button", name="Replace key").click()
    expect(reader.get_by_role("heading", name="Check that events arrive")).to_be_visible()
    expect(reader.get_by_text("Unverified")).to_be_visible()
    confirm(reader, product, write_key[::-1], "eu")
    assert product.calls("us", write_key) == []


def test_why_an_event_was_refused_is_two_clicks_from_the_first_sentence(reader: Page, product: Product):
    connect(reader, product, "Refusing", "r" * 32)
    # Two of the demo's people have no id of the customer's own.
    send_campaign(reader, product, "To everybody", to="Everyone who is subscribed")
    open_source(reader, product, "Refusing")
    expect(reader.get_by_text("2 events were refused in the last 24 hours")).to_be_visible()

    reader.get_by_role("link", name="See why").click()
    reader.locator("main table").get_by_role("link").first.click()

    expect(reader.locator("main")).to_contain_text("userId")
    expect(reader.locator("main")).to_contain_text("Email Delivered")
    reader.get_by_role("link", name="send people without a userId").click()
    expect(reader.get_by_role("heading", name="What Refusing is sent")).to_be_visible()


def test_what_is_sent_is_looked_at_and_saved_and_the_page_says_so_where_it_is_seen(reader: Page, product: Product):
    connect(reader, product, "Chosen", KEYS["chosen"])
    reader.get_by_role("link", name="Do this later").click()
    reader.get_by_role("link", name="Change what is sent").click()
    reader.get_by_label("Email Opened", exact=True).uncheck()
    reader.get_by_role("button", name="Preview, and save nothing").click()
    expect(reader.get_by_role("heading", name="A real event, before and after")).to_be_in_viewport()
    reader.get_by_role("button", name="Save", exact=True).click()

    expect(reader.get_by_text("“Chosen” is sent what you have chosen")).to_be_in_viewport()
    expect(reader.get_by_text("All but Email Opened")).to_be_visible()


def test_an_event_that_a_refused_key_holds_says_so_and_shows_by_itself_when_it_is_sent(reader: Page, product: Product):
    write_key = KEYS["held"]
    fault = {"region": "us", "do": "status", "status": 401, "key": write_key}
    httpx.post(f"{product.segment}/_control/faults", json=fault).raise_for_status()
    connect(reader, product, "Held", write_key)
    send_campaign(reader, product, "While held")
    open_source(reader, product, "Held")
    expect(reader.get_by_text("1 event is kept and will be sent when you paste a new one.")).to_be_visible()
    # The part below the sentence does not renew itself.
    reader.reload()
    expect(reader.get_by_text("Nothing is sent while the source is held.")).to_be_visible()

    reader.get_by_role("link", name="Events as they come").click()
    reader.get_by_role("link", name="Email Delivered").click()
    expect(reader.get_by_text("Waiting", exact=True)).to_be_visible()
    expect(reader.locator("#event-requests")).to_contain_text("401")
    other = reader.context.new_page()
    other.goto(reader.url)
    other.get_by_role("link", name="Paste a write key").click()
    other.get_by_role("textbox", name="Write key").fill(write_key[::-1])
    other.get_by_role("button", name="Replace key").click()
    expect(reader.locator("#event-card")).to_contain_text("Accepted")
    expect(reader.locator("#event-requests")).to_contain_text("200")


def open_source(page: Page, product: Product, name: str) -> None:
    page.goto(f"{product.address}/t/acme/integrations/segment/")
    page.get_by_role("link", name=name, exact=True).click()


def test_a_source_in_shadow_is_switched_on_with_what_it_has_captured(reader: Page, product: Product):
    write_key = KEYS["shadow"]
    open_form(reader, product)
    fill_in(reader, "Shadow", write_key)
    reader.get_by_label("Start in shadow").check()
    reader.get_by_role("button", name="Connect").click()
    expect(reader.get_by_text("nothing is sent until you switch it on").first).to_be_visible()
    send_campaign(reader, product, "In shadow")
    open_source(reader, product, "Shadow")
    expect(reader.get_by_text("1 event is kept")).to_be_visible()

    reader.get_by_role("link", name="Switch on").click()
    reader.get_by_label("Send all of it").check()
    reader.get_by_role("button", name="Count first").click()
    expect(reader.locator("dl.facts").get_by_text("1 event", exact=True)).to_be_visible()
    assert product.entries("us", write_key) == []
    reader.get_by_role("button", name="Switch on").click()

    expect(reader.get_by_text("“Shadow” is sending now.")).to_be_visible()
    expect(reader.get_by_role("heading", name="Check that events arrive")).to_be_visible()
    [call] = product.calls_when(1, "us", write_key)
    assert call["event"] == "Email Delivered"


def test_a_paused_source_keeps_what_happens_and_sends_it_when_it_goes_on(reader: Page, product: Product):
    write_key = KEYS["paused"]
    connect(reader, product, "Paused", write_key)
    reader.get_by_role("link", name="Do this later").click()
    reader.get_by_role("button", name="Pause").click()
    expect(reader.get_by_text("Paused: events are captured and not sent.")).to_be_visible()
    send_campaign(reader, product, "While paused")
    open_source(reader, product, "Paused")
    expect(reader.get_by_text("1 event is kept and will be sent when you resume.")).to_be_visible()
    assert product.entries("us", write_key) == []

    reader.get_by_role("button", name="Resume").click()

    [call] = product.calls_when(1, "us", write_key)
    assert call["properties"]["campaign_name"] == "While paused"
    expect(reader.get_by_text(re.compile(r"Unverified: Segment answers “accepted”, last"))).to_be_visible()


def test_the_page_of_a_source_that_somebody_deletes_says_so_by_itself(reader: Page, product: Product):
    connect(reader, product, "Gone", KEYS["gone"])
    reader.get_by_role("link", name="Do this later").click()
    other = reader.context.new_page()
    other.goto(reader.url)
    other.get_by_role("link", name="Delete", exact=True).click()
    other.get_by_label("Type the name to confirm").fill("Gone")
    other.get_by_role("button", name="Delete the source").click()
    expect(other.get_by_text("“Gone” is deleted")).to_be_visible()

    expect(reader.get_by_role("heading", name="Gone was deleted")).to_be_visible()
    reader.get_by_role("link", name="All sources").click()
    expect(reader.get_by_role("link", name="Gone", exact=True)).to_have_count(0)


@pytest.mark.parametrize("reader", ["without JavaScript"], indirect=True)
def test_a_button_pressed_twice_makes_one_key_without_javascript(reader: Page, product: Product):
    reader.goto(f"{product.address}/t/acme/integrations/keys/new/")
    reader.get_by_label("Name", exact=True).fill("Pressed twice")
    reader.get_by_label("Events from your own servers").check()
    reader.get_by_role("button", name="Make key").dblclick()
    expect(reader.get_by_role("heading", name=re.compile("Your new API key|This key was made already"))).to_be_visible()

    reader.goto(f"{product.address}/t/acme/integrations/keys/")
    expect(reader.locator("tbody tr", has_text="Pressed twice")).to_have_count(1)

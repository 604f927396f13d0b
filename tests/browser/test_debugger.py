"""The live debugger of a source, in a product that runs: events as they come, one of them in full, and the refused."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.product import Product
from tests.browser.test_story import ADA, connect, send_campaign
from tests.waiting import eventually

pytestmark = pytest.mark.browser

WRITE_KEY = "Zp4nQ8sWv2KcJ6tXe9Lb3RyHm7GdUa5F"


@pytest.fixture(scope="module")
def source(browser: Browser, product: Product) -> str:
    """The address of the home page of a source that has got the events of one campaign to Ada."""
    page = browser.new_page()
    product.log_in(page, ADA)
    connect(page, product, "Debugged", WRITE_KEY, "United States (Oregon)")
    send_campaign(page, product, "First")
    product.calls_when(1, "us", WRITE_KEY)
    page.goto(f"{product.address}/t/acme/integrations/segment/")
    page.get_by_role("link", name="Debugged").click()
    address = page.url
    page.close()
    return address


@pytest.fixture
def desk(browser: Browser, product: Product, source: str) -> Iterator[Page]:
    """Ada's browser, in Auckland."""
    context = browser.new_context(timezone_id="Pacific/Auckland")
    page = context.new_page()
    product.log_in(page, ADA)
    page.goto(f"{source}delivery/")
    yield page
    context.close()


def rows(page: Page):
    return page.locator("#stream tbody tr")


def in_another_tab(page: Page, product: Product, name: str) -> None:
    other = page.context.new_page()
    send_campaign(other, product, name)
    other.close()


def is_never_loaded_again(page: Page) -> None:
    page.evaluate("window.sameDocument = true")


def test_event_appears_by_itself_and_becomes_accepted(desk: Page, product: Product):
    before = rows(desk).count()
    is_never_loaded_again(desk)
    in_another_tab(desk, product, "Live")
    expect(rows(desk)).to_have_count(before + 1, timeout=15_000)
    expect(rows(desk).first).to_contain_text("Accepted", timeout=15_000)
    assert desk.evaluate("window.sameDocument")


def test_pause_holds_the_list_and_resume_shows_what_came(desk: Page, product: Product):
    before = rows(desk).count()
    desk.get_by_role("link", name="Pause").click()
    expect(desk.get_by_role("link", name="Resume")).to_be_visible()
    in_another_tab(desk, product, "While paused")
    # Longer than the list would have taken to ask for itself.
    desk.wait_for_timeout(4_000)
    assert rows(desk).count() == before
    desk.get_by_role("link", name="Resume").click()
    expect(rows(desk)).to_have_count(before + 1)


def test_sentence_over_the_list_follows_what_happens_to_the_source(desk: Page, source: str):
    is_never_loaded_again(desk)
    other = desk.context.new_page()
    for button, words in (
        ("Pause", "Paused: events are captured and not sent."),
        ("Resume", "Unverified: Segment answers “accepted”"),
    ):
        other.goto(source)
        other.get_by_role("button", name=button).click()
        expect(desk.locator("#sentence")).to_contain_text(words, timeout=15_000)
    assert desk.evaluate("window.sameDocument")


def test_focus_stays_where_it_was_when_the_list_updates(desk: Page, product: Product):
    link = rows(desk).first.get_by_role("link")
    link.focus()
    address, before = link.get_attribute("href"), rows(desk).count()
    in_another_tab(desk, product, "Focus")
    expect(rows(desk)).to_have_count(before + 1, timeout=15_000)
    assert desk.evaluate("document.activeElement.getAttribute('href')") == address


@pytest.mark.parametrize(
    ("field", "found", "missed"),
    [("Name", "deliv", "bounced"), ("userId or anonymousId", "user-1001", "user-100")],
)
def test_filter_shows_what_matches_as_it_is_typed(desk: Page, field: str, found: str, missed: str):
    is_never_loaded_again(desk)
    desk.get_by_label(field).press_sequentially(missed)
    expect(desk.get_by_role("heading", name="No such event")).to_be_visible()
    desk.get_by_label(field).press("ControlOrMeta+A")
    desk.get_by_label(field).press_sequentially(found)
    expect(rows(desk).first).to_contain_text("Email Delivered")
    assert desk.evaluate("window.sameDocument")
    assert found in desk.url


def test_filter_asks_nothing_before_something_is_typed_and_then_the_list_stays_paused(desk: Page):
    desk.get_by_role("link", name="Pause").click()
    expect(desk.get_by_role("link", name="Resume")).to_be_visible()
    is_never_loaded_again(desk)
    asked: list[str] = []
    desk.on("request", lambda request: asked.append(request.url))
    pages = desk.evaluate("history.length")
    name = desk.get_by_label("Name")
    name.press("Home")
    # Longer than the form waits for more keys.
    desk.wait_for_timeout(1_000)
    assert [address for address in asked if "delivery/?" in address] == []

    name.press_sequentially("deliv", delay=20)
    expect(desk).to_have_url(re.compile("name=deliv&"))
    expect(rows(desk).first).to_contain_text("Email Delivered")
    expect(desk.get_by_role("link", name="Resume")).to_be_visible()
    assert desk.evaluate("history.length") == pages
    assert desk.evaluate("window.sameDocument")


def test_filter_by_state_leaves_the_others_out(desk: Page):
    desk.get_by_label("State").select_option(label="Quarantined")
    expect(desk.get_by_role("heading", name="No such event")).to_be_visible()
    desk.get_by_label("State").select_option(label="Accepted")
    expect(rows(desk).first).to_contain_text("Accepted")


def test_event_is_shown_with_its_json_batch_and_requests_and_never_the_key(desk: Page):
    rows(desk).last.get_by_role("link").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("Email Delivered")
    expect(desk.get_by_role("region", name="JSON of the event")).to_contain_text('"event": "Email Delivered"')
    for title, text in (("Batches", "Accepted"), ("Requests", "200")):
        expect(desk.locator("section", has=desk.get_by_role("heading", name=title))).to_contain_text(text)
    desk.get_by_text("As a curl command").click()
    curl = desk.get_by_role("region", name="The curl command").inner_text()
    assert '--user "$SEGMENT_WRITE_KEY:"' in curl
    assert WRITE_KEY not in desk.content()


def test_curl_command_is_copied_by_its_button(desk: Page):
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    rows(desk).last.get_by_role("link").click()
    desk.get_by_text("As a curl command").click()
    desk.get_by_role("button", name="Copy").click()
    expect(desk.get_by_role("button", name="Copied")).to_be_visible()
    copied = desk.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl http")
    assert WRITE_KEY not in copied


def test_event_is_sent_again_with_the_same_message_id(desk: Page, product: Product):
    rows(desk).last.get_by_role("link").click()
    message_id = desk.locator("dt", has_text="messageId").locator("xpath=../dd").inner_text()
    desk.get_by_role("link", name="Send again").click()
    expect(desk.get_by_text("Segment has accepted it before.")).to_be_visible()
    desk.get_by_role("button", name="Send again").click()
    expect(desk.get_by_role("status").first).to_be_visible()
    eventually(lambda: times_arrived(product, message_id), lambda times: times == 2)


def times_arrived(product: Product, message_id: str) -> int:
    return sum(entry["call"]["messageId"] == message_id for entry in product.entries("us", WRITE_KEY))


def test_refused_event_leads_to_its_reason_and_remedy(desk: Page, product: Product, source: str):
    # Among whom are people without an id of the customer's.
    write_to_everybody(desk, product)
    desk.goto(source)
    desk.get_by_role("link", name="See why").click()
    rows_of_refused = desk.locator("tbody tr")
    expect(rows_of_refused.first).to_contain_text("Nobody to attach it to: no userId")
    rows_of_refused.first.get_by_role("link").click()
    expect(desk.get_by_role("heading", name="Why, and what to do")).to_be_visible()
    expect(
        desk.get_by_text("Set userId to the id that this person has in the workspace owner's own database.")
    ).to_be_visible()


def write_to_everybody(page: Page, product: Product) -> None:
    page.goto(f"{product.address}/t/acme/campaigns/new/")
    fields = {"Subject": "Everybody", "Link text": "Read", "Link address": f"{product.address}/"}
    page.get_by_label("Name", exact=True).fill("Everybody")
    page.get_by_label("Text", exact=True).fill("Good news.")
    for label, text in fields.items():
        page.get_by_label(label).fill(text)
    page.get_by_role("button", name="Save and preview").click()
    page.get_by_role("link", name="Send").click()
    page.get_by_label("Everyone who is subscribed").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.get_by_text("Delivered").first).to_be_visible()


def test_times_are_in_the_zone_of_the_browser(desk: Page):
    at = rows(desk).first.locator("time")
    expect(at).to_have_attribute("title", re.compile(r"^\d+ \w+ \d{4}, \d\d:\d\d:\d\d UTC$"))
    expect(at).to_have_text(re.compile(r"\d\d:\d\d:\d\d GMT\+1[23]$"))


def test_without_javascript_a_reload_shows_what_came_and_times_name_their_zone(
    browser: Browser, product: Product, source: str
):
    context = browser.new_context(java_script_enabled=False, timezone_id="Pacific/Auckland")
    page = context.new_page()
    product.log_in(page, ADA)
    page.goto(f"{source}delivery/")
    expect(rows(page).first.locator("time")).to_have_text(re.compile(r"\d\d:\d\d UTC$"))
    before = rows(page).count()
    in_another_tab(page, product, "No script")
    page.reload()
    assert rows(page).count() == before + 1
    page.get_by_label("Name").fill("bounced")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="No such event")).to_be_visible()
    context.close()

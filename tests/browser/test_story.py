"""The main job, end to end, as a new user sees it: connect Segment, send a campaign, find the events in Segment."""

import json
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import redis
from playwright.sync_api import Page, expect
from psycopg import sql

from tests.browser.product import ROOT, Product, running_product

pytestmark = pytest.mark.browser

WRITE_KEY = "Kq7hV2mNx9TbR4wLz6cYd1PfJ8sGa3Ue"
ADA = "ada@demo.test"
STORY = ["Email Delivered", "Email Opened", "Email Link Clicked", "Unsubscribed"]


def connect(page: Page, product: Product, name: str, write_key: str, region: str) -> None:
    page.goto(f"{product.address}/t/acme/")
    page.get_by_role("link", name="Integrations").first.click()
    page.get_by_role("link", name=re.compile("(Set up|Open) Segment")).click()
    page.get_by_role("link", name="Connect a source").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("textbox", name="Write key").fill(write_key)
    page.get_by_label(region).check()
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("heading", name="Check that events arrive")).to_be_visible()
    assert write_key not in page.content()


def send_campaign(page: Page, product: Product, name: str, to: str = "Only me") -> None:
    page.goto(f"{product.address}/t/acme/campaigns/new/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Subject").fill(f"{name} is here")
    page.get_by_label("Text", exact=True).fill("Good news.\n\nRead them.")
    page.get_by_label("Link text").fill("Read the news")
    page.get_by_label("Link address").fill(f"{product.address}/accounts/login/")
    page.get_by_role("button", name="Save and preview").click()
    page.get_by_role("link", name="Send").click()
    page.get_by_label(to, exact=True).check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.get_by_text("Delivered").first).to_be_visible()


def read_mail(page: Page, product: Product, subject: str) -> None:
    """Open it, click its link, unsubscribe."""
    page.goto(f"{product.address}/mailbox/")
    page.get_by_role("link", name=subject).click()
    mail = page.url
    with page.context.expect_page() as opened:
        page.frame_locator("iframe").get_by_role("link", name="Read the news").click()
    expect(opened.value).to_have_url(re.compile("/accounts/login/|/t/acme/|/$"))
    page.goto(mail)
    with page.context.expect_page() as opened:
        page.frame_locator("iframe").get_by_role("link", name="Unsubscribe").click()
    opened.value.get_by_role("button", name="Unsubscribe").click()
    expect(opened.value.get_by_role("heading", name="You are unsubscribed")).to_be_visible()


@pytest.fixture(scope="module")
def told(browser, product: Product) -> list[dict[str, Any]]:
    """The story told once in the browser; the calls that Segment has got by its end."""
    page = browser.new_page()
    product.log_in(page, ADA)
    connect(page, product, "Production", WRITE_KEY, "Europe (Dublin)")
    send_campaign(page, product, "Spring")
    read_mail(page, product, "Spring is here")
    page.close()
    # Requests run side by side: Segment puts the events in order by their timestamps.
    return sorted(product.calls_when(4, "eu", WRITE_KEY), key=lambda call: STORY.index(call["event"]))


def test_campaign_arrives_in_segment_once_and_in_its_region_only(product: Product, told):
    assert [call["event"] for call in told] == STORY
    assert len(product.entries("eu", WRITE_KEY)) == 4
    assert product.entries("us", WRITE_KEY) == []
    assert len({call["messageId"] for call in told}) == 4


def test_calls_have_the_form_of_the_spec(product: Product, told):
    email = {"email_id": "message-1", "email_subject": "Spring is here"}
    email |= {"campaign_id": "campaign-1", "campaign_name": "Spring"}
    link = {"link_id": "link-1", "link_url": f"{product.address}/accounts/login/"}
    assert [call["properties"] for call in told] == [email, email, email | link, email]
    for call in told:
        assert set(call) == {"type", "event", "userId", "messageId", "timestamp", "properties", "context"}
        assert call["type"] == "track"
        assert call["userId"] == "user-1001"
        assert call["context"]["integration"] == {"name": "headwater", "version": "1.0.0"}
        assert call["context"]["traits"] == {"email": ADA}
        assert call["context"]["yourToolId"] == "1"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", call["timestamp"])
    assert ["ip" in call["context"] for call in told] == [False, True, True, True]
    assert ["userAgent" in call["context"] for call in told] == [False, True, True, True]


def test_debugger_of_the_stand_in_shows_the_events(page: Page, product: Product, told):
    page.goto(product.segment)
    for event in STORY:
        expect(page.get_by_text(event, exact=True).first).to_be_visible()
    assert WRITE_KEY not in page.content()


def test_customer_sees_what_was_accepted_and_never_the_key(page: Page, product: Product, told):
    product.log_in(page, ADA)
    page.goto(f"{product.address}/t/acme/integrations/segment/")
    assert WRITE_KEY not in page.content()
    page.get_by_role("link", name="Production").click()
    expect(page.locator(".chart p").first).to_contain_text("4 accepted")
    assert WRITE_KEY not in page.content()
    page.get_by_role("link", name="Events as they come").click()
    expect(page.get_by_text("Unsubscribed").first).to_be_visible()
    assert WRITE_KEY not in page.content()


def test_staff_see_events_batches_and_requests(page: Page, product: Product, told):
    product.log_in(page, "staff@demo.test")
    shown = {
        "event": "Unsubscribed",
        "batch": "Accepted",
        "attempt": "200",
        "lane": "Production",
        "refusal": "There is none yet",
    }
    for model, text in shown.items():
        page.goto(f"{product.address}/admin/delivery/{model}/")
        expect(page.locator("#content, #main").get_by_text(text).first).to_be_visible()
        assert WRITE_KEY not in page.content()
    page.goto(f"{product.address}/admin/delivery/event/")
    page.get_by_role("link", name="Unsubscribed").first.click()
    expect(page.get_by_text("200").first).to_be_visible()
    assert WRITE_KEY not in page.content()


def test_write_key_is_in_no_log_table_or_key_of_redis(product: Product, told):
    logs = [log.read_text(errors="replace") for log in product.folder.rglob("*.log")]
    assert len(logs) >= 5
    rows = list(database_rows(product.environment["DATABASE_URL"]))
    assert len(rows) > 100
    secret = WRITE_KEY.encode()
    for form in (WRITE_KEY, secret.hex(), b64encode(secret).decode(), b64encode(secret + b":").decode()):
        assert not [text for text in (*logs, *rows, *redis_values(product)) if form in text]


def test_campaigns_sent_while_the_worker_is_stopped_arrive_once(page: Page, tmp_path_factory, django_db_setup):
    with running_product(tmp_path_factory.mktemp("stopped"), "--without", "worker") as product:
        product.manage("connect_source", "--tenant", "acme", "--region", "us", stdin=WRITE_KEY)
        product.log_in(page, ADA)
        for name in ("One", "Two", "Three"):
            send_campaign(page, product, name)
        (status,) = json.loads(product.manage("status", "--json"))
        assert (status["state"], status["waiting"], status["accepted"]) == ("connected", 3, 0)
        assert product.entries("us", WRITE_KEY) == []
        with running_worker(product):
            calls = product.calls_when(3, "us", WRITE_KEY)
        assert [call["properties"]["campaign_name"] for call in calls] == ["One", "Two", "Three"]
        assert len(product.entries("us", WRITE_KEY)) == 3


@contextmanager
def running_worker(product: Product) -> Iterator[None]:
    bases = {f"SEGMENT_{name.upper()}_URL": f"{product.segment}/{name}/v1" for name in ("us", "eu")}
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "config.celery",
        "worker",
        "--pool",
        "threads",
        "-Q",
        "us,eu,sweep",
    ]
    with (product.folder / "late-worker.log").open("w") as log:
        worker = subprocess.Popen(
            command, cwd=ROOT, env=product.environment | bases, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(30)


def database_rows(url: str) -> Iterator[str]:
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            query = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(table))
            yield from (row for (row,) in connection.execute(query))


def redis_values(product: Product) -> list[str]:
    store = redis.Redis.from_url(product.environment["REDIS_URL"])
    return [(key + (store.dump(key) or b"")).decode("latin-1") for key in store.scan_iter(count=1000)]

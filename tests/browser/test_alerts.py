"""Alerts in a browser: chosen on their page, read in the demo's mailbox, followed to the source, and stopped."""

import re

import pytest
from playwright.sync_api import expect

from delivery.alerts.looking import look_around
from delivery.alerts.mailing import send_due
from delivery.alerts.telling import tell_news
from delivery.enums import Hold
from tenants.scoping import every_tenant
from tests.browser.visitors import open_link_of_mail, open_mail
from tests.delivery.alerts.conftest import REASON, age_news, hold, release

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ALERTS = "/t/acme/integrations/segment/alerts/"


def a_minute_later() -> None:
    """What beat and a worker do until then."""
    look_around()
    age_news()
    tell_news()
    send_due()


def test_an_alert_leads_to_its_source_and_its_end_is_told(opened, owner, source):
    page = opened(owner)
    with every_tenant():
        hold(source)
        a_minute_later()
    open_link_of_mail(page, "Main (Acme): Segment refuses the write key")
    expect(page.get_by_role("heading", name="Main").first).to_be_visible()
    expect(page.get_by_text("Held: Segment refuses the write key since").first).to_be_visible()
    page.goto(ALERTS)
    expect(page.get_by_role("region", name="Wrong now").get_by_role("row", name=REASON)).to_contain_text("Now")

    with every_tenant():
        release(source)
        a_minute_later()
    open_link_of_mail(page, "Main (Acme): Segment takes the write key again")
    page.goto(ALERTS)
    expect(page.get_by_role("heading", name="Nothing is wrong")).to_be_visible()
    expect(page.get_by_role("region", name="Over").get_by_role("row", name=REASON)).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_viewer_chooses_alerts_and_stops_them_from_the_mail_without_a_log_in(opened, viewer, source, script):
    page = opened(viewer, script=script)
    page.goto(ALERTS)
    page.get_by_label("Sending is held for another reason, for instance by our staff").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your choice is saved.")).to_be_visible()
    with every_tenant():
        hold(source, Hold.STAFF, "Our staff has stopped sending: A loop.")
        a_minute_later()

    reader = opened(script=script)
    open_mail(reader, "Main (Acme): Sending is held")
    mail = reader.frame_locator("iframe")
    expect(mail.get_by_text("Our staff has stopped sending: A loop. Your events are kept")).to_be_visible()
    with reader.context.expect_page() as stopping:
        mail.get_by_role("link", name="No more of these mails").click()
    stop = stopping.value
    expect(stop.get_by_role("heading", name="Stop the alerts of Acme?")).to_be_visible()
    stop.get_by_role("button", name=re.compile("Stop")).click()
    expect(stop.get_by_role("heading", name="Alerts are stopped")).to_be_visible()
    page.goto(ALERTS)
    expect(page.get_by_label("Sending is held for another reason, for instance by our staff")).not_to_be_checked()

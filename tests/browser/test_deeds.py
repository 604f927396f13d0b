"""What staff do for a source, from its page in the admin, and what the customer reads of it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_source_is_held_with_a_reason_that_the_customer_reads(opened, staff, owner, source, settings):
    # The way through the second factor is walked in test_people.py.
    settings.REQUIRE_STAFF_MFA = False
    desk = opened(staff)
    desk.goto(f"/admin/integrations/source/{source.pk}/change/")
    desk.get_by_role("link", name="Hold", exact=True).click()
    expect(desk.locator("body")).to_contain_text("Nothing is sent; events are captured and wait.")
    desk.get_by_label("Reason").fill("Asked by phone")
    # Both clicks are sent: the admin has no script of ours that stops the second one.
    desk.get_by_role("button", name="Hold").dblclick()
    expect(desk).to_have_url(re.compile(f"/admin/integrations/source/{source.pk}/change/$"))

    customer = opened(owner)
    customer.goto(f"/t/acme/integrations/segment/{source.pk}/")
    expect(customer.locator("main")).to_contain_text("Our staff has stopped sending: Asked by phone")
    customer.goto("/t/acme/history/")
    told = customer.get_by_role("row").filter(has_text="(staff) held Main")
    expect(told).to_have_count(1)
    expect(told).to_contain_text("staff@headwater.test")
    expect(told).to_contain_text("reason: Asked by phone")

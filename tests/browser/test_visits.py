"""Staff who see a customer's pages as the customer does, from the admin and back."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(opened, staff, source, viewer, settings) -> Page:
    """Of staff; the way through the second factor is walked in test_people.py."""
    settings.REQUIRE_STAFF_MFA = False
    page: Page = opened(staff)
    page.goto(f"/admin/integrations/source/{source.pk}/change/")
    page.get_by_role("link", name="See as the customer sees it").click()
    page.get_by_label("Reason").fill("Asked by phone")
    page.get_by_role("button", name="See the pages").click()
    return page


def test_visit_from_a_source_to_its_page_and_back_to_the_admin(desk, source):
    expect(desk).to_have_url(re.compile(f"/t/acme/integrations/segment/{source.pk}/$"))
    expect(desk.get_by_role("heading", name="Main", level=1)).to_be_visible()
    bar = desk.get_by_role("complementary", name="Staff visit")
    expect(bar).to_contain_text("You are looking at Acme as staff, until")
    expect(bar).to_contain_text("Nothing can be changed.")
    desk.get_by_role("link", name="Members").click()
    expect(bar).to_be_visible()
    bar.get_by_role("button", name="Leave").click()
    expect(desk).to_have_url(re.compile(r"/admin/tenants/tenant/\d+/change/$"))


def test_nothing_on_the_pages_sends_anything(desk, source):
    for address in ("members/", "members/leave/", "integrations/segment/alerts/", f"integrations/segment/{source.pk}/"):
        desk.goto(f"/t/acme/{address}")
        expect(desk.get_by_role("complementary", name="Staff visit")).to_be_visible()
        assert desk.locator("main form[method=post]").get_by_role("button").count() == 0


def test_page_that_a_viewer_does_not_see_says_so_and_leads_on(desk):
    desk.goto("/t/acme/settings/")
    expect(desk.get_by_role("heading", name="A viewer does not see this page")).to_be_visible()
    desk.get_by_role("link", name="Go to the overview").click()
    expect(desk.get_by_text("You see what a viewer sees.")).to_be_visible()


def test_form_that_is_sent_all_the_same_changes_nothing(desk):
    desk.goto("/t/acme/members/leave/")
    desk.locator("main form[method=post]").evaluate("form => form.submit()")
    expect(desk.get_by_role("heading", name="Nothing was changed")).to_be_visible()

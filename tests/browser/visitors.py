"""Visitors of a site with the demo's mailbox: signed in by a cookie, and led by a mail to its link."""

from collections.abc import Callable

from django.conf import settings
from playwright.sync_api import BrowserContext, Page

Open = Callable[..., Page]
"""The fixture `opened`: a page in a browser of its own, see conftest.py."""


def hand_over(session: str, context: BrowserContext, address_of_site: str) -> None:
    """Sign the browser in: the session's key is its cookie."""
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": address_of_site}])


def open_mail(page: Page, subject: str) -> None:
    """The newest with this subject, as a visitor of the demo finds it."""
    page.goto("/mailbox/?all")
    page.get_by_role("link", name=subject).first.click()


def open_link_of_mail(page: Page, subject: str) -> None:
    open_mail(page, subject)
    page.locator(".mail-text a[href^='http']").first.click()

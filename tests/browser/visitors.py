"""Visitors of a site with the demo's mailbox: browsers of their own, and the way from a mail to its link."""

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from tenants.models import User

Open = Callable[..., Page]


@pytest.fixture
def site(settings, live_server: LiveServer) -> LiveServer:
    """Staff need a second factor, as outside of the demo."""
    settings.ROOT_URLCONF = "tests.pages.urls"
    settings.DEMO = True
    settings.EMAIL_BACKEND = "examples.campaigns.mailbox.MailboxBackend"
    settings.SITE_URL = live_server.url
    settings.CSRF_TRUSTED_ORIGINS = [live_server.url]
    # Rate limits and used codes are in the cache, which outlives a test.
    cache.clear()
    return live_server


@pytest.fixture
def opened(browser: Browser, site: LiveServer) -> Iterator[Open]:
    """Opens a browser, signed in as this user, or as nobody; with `script=False`, without JavaScript."""
    contexts = []

    def open_one(user: User | None = None, *, script: bool = True) -> Page:
        context = browser.new_context(base_url=site.url, java_script_enabled=script)
        contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            session = client.cookies[django_settings.SESSION_COOKIE_NAME].value
            cookie = {"name": django_settings.SESSION_COOKIE_NAME, "value": session, "url": site.url}
            context.add_cookies([cookie])  # type: ignore[list-item]  # a plain dict would do
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()


def open_mail(page: Page, subject: str) -> None:
    """The newest with this subject, as a visitor of the demo finds it."""
    page.goto("/mailbox/?all")
    page.get_by_role("link", name=subject).first.click()


def open_link_of_mail(page: Page, subject: str) -> None:
    open_mail(page, subject)
    page.locator(".mail-text a[href^='http']").first.click()

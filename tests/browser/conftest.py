"""What a headless Chromium is led to: the product as a person runs it, a world of pages, or a site of a test's own."""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from tenants.models import User
from tests.browser.product import Product, running_product
from tests.browser.visitors import Open, hand_over
from tests.emptying import empty_redis
from tests.pages.world import World, built_world


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    # The flags keep Chromium from calling home; as root it has no sandbox to offer.
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync"]
    return {
        **browser_type_launch_args,
        "executable_path": next(filter(None, map(shutil.which, names)), None),
        "args": quiet + (["--no-sandbox"] if os.geteuid() == 0 else []),
    }


@pytest.fixture(scope="module")
def product(tmp_path_factory, django_db_setup) -> Iterator[Product]:
    with running_product(tmp_path_factory.mktemp("product")) as product:
        yield product


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, segment_process) -> Iterator[World]:
    segment_process.reset()
    with django_db_blocker.unblock():
        with built_world(segment_process) as world:
            yield world
        # Once Playwright's loop has ended, this thread has other connections, and these would keep the database busy.
        connections.close_all()


@pytest.fixture(scope="module")
def address_of_site(world: World) -> Iterator[str]:
    server = LiveServer("127.0.0.1")
    yield server.url
    server.stop()


@pytest.fixture
def site(settings, live_server: LiveServer) -> LiveServer:
    """Staff need a second factor, as outside of the demo."""
    settings.ROOT_URLCONF = "tests.pages.urls"
    settings.DEMO = True
    settings.EMAIL_BACKEND = "examples.campaigns.mailbox.MailboxBackend"
    settings.SITE_URL = live_server.url
    settings.CSRF_TRUSTED_ORIGINS = [live_server.url]
    # Rate limits and used codes are in the cache, which outlives a test.
    empty_redis()
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
            hand_over(str(client.session.session_key), context, site.url)
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()

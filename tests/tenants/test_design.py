"""The design system: readable in both schemes, nothing from another host, pages that stand when the rest has fallen."""

import re

import pytest
from django.conf import settings
from django.template.loader import get_template
from django.test import Client
from django.urls import path

from config.urls import urlpatterns as config_urlpatterns

CSS = (settings.BASE_DIR / "static/css/headwater.css").read_text()
# Mail programs read no stylesheet, so a mail's own template has to style inline.
TEMPLATES = sorted(
    set((settings.BASE_DIR / "templates").rglob("*.html")) - set((settings.BASE_DIR / "templates/email").rglob("*"))
)
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.+?)\}", CSS, re.DOTALL)[:2]
)

# WCAG 2.2, 1.4.3: text needs 4.5 to 1.
TEXT = [
    *(("text", ground) for ground in ("page", "surface", "sunken")),
    *(("muted", ground) for ground in ("page", "surface", "sunken")),
    *(("accent", ground) for ground in ("page", "surface", "sunken", "accent-soft")),
    *(("on-accent", ground) for ground in ("accent", "accent-hover")),
    *(("on-danger", ground) for ground in ("danger", "danger-hover")),
    *((f"{tone}-text", f"{tone}-soft") for tone in ("ok", "waiting", "held", "info")),
    ("held-text", "surface"),
    ("info-text", "accent-soft"),
]
# WCAG 2.2, 1.4.11: the outline of a control and of the focus, and what a chart is read by, needs 3 to 1.
OUTLINES = [
    (name, ground)
    for name in ("control-border", "focus", "danger", "accent", "waiting")
    for ground in ("page", "surface")
]


def boom(request):
    raise RuntimeError("boom")


urlpatterns = [path("boom/", boom), *config_urlpatterns]


def luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, LIGHT | DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (OUTLINES, 3.0)], ids=["text", "outlines"])
def test_colours_keep_their_contrast(scheme, pairs, least):
    too_close = [pair for pair in pairs if contrast(scheme[pair[0]], scheme[pair[1]]) < least]
    assert too_close == []


def test_every_colour_has_a_dark_form():
    assert LIGHT.keys() == DARK.keys()


def test_stylesheet_asks_no_other_host():
    assert re.findall(r"@import|url\(|https?:", CSS) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(settings.BASE_DIR)))
def test_templates_hold_nothing_inline(template):
    assert (
        re.findall(r"<script(?! src=\"{% static )|<style|\sstyle=|\son[a-z]+=|javascript:", template.read_text()) == []
    )


def test_server_error_page_needs_no_context():
    page = get_template("500.html").render()
    assert "Something went wrong on our side" in page
    assert 'href="/static/css/headwater.css"' in page


@pytest.mark.urls(__name__)
def test_server_error_page_is_shown_without_a_query(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        response = Client(raise_request_exception=False).get("/boom/")
    assert response.status_code == 500
    assert "Something went wrong on our side" in response.content.decode()


def test_not_found_page_asks_nothing_of_the_database(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/no/such/page/")
    assert response.status_code == 404
    assert "There is no such page for you" in response.content.decode()


def test_expired_form_page_has_our_look(db):
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "a@acme.test"})
    assert response.status_code == 403
    assert "This form is no longer valid" in response.content.decode()

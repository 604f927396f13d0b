"""What every response tells the browser: nothing inline, nothing from elsewhere, in nobody's frame."""

import base64
import hashlib
import re

import pytest
from django.conf import settings
from django.test import Client

from config.security import ADMIN, PAGES, written

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/accounts/login/", 200),
        ("/", 302),
        ("/no/such/page/", 404),
        ("/healthz", 200),
        ("/static/css/headwater.css", 200),
    ],
)
def test_every_response_has_the_policy_of_pages(client, path, status):
    response = client.get(path)
    response.close()
    assert response.status_code == status
    assert response["Content-Security-Policy"] == written(PAGES)


def test_an_answer_of_the_ingest_api_has_it_too(client):
    response = client.post("/v1/track", "{}", content_type="application/json")
    assert response.status_code == 401
    assert response["Content-Security-Policy"] == written(PAGES)


def test_a_refused_form_has_it_too():
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {})
    assert response.status_code == 403
    assert response["Content-Security-Policy"] == written(PAGES)


def test_pages_take_all_from_this_site_and_nothing_inline():
    assert written(PAGES) == (
        "default-src 'none'; connect-src 'self'; font-src 'self'; img-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; script-src 'self'; style-src 'self'; frame-src 'self'; "
        f"form-action 'self' {settings.SITE_URL}"
    )


@pytest.mark.parametrize("path", ["/admin/", "/admin/tenants/user/", "/admin/review/", "/admin/no/such/page/"])
def test_admin_has_a_policy_of_its_own(staff_client, path):
    assert staff_client.get(path)["Content-Security-Policy"] == written(ADMIN)


def test_inline_script_is_allowed_nowhere():
    assert [policy["script-src"] for policy in (PAGES, ADMIN)] == ["'self'", "'self' 'unsafe-eval'"]


def test_admin_allows_the_colours_that_unfold_writes(staff_client):
    """After an update of Unfold, or a change of its colours: put the new hash into config/security.py."""
    page = staff_client.get("/admin/tenants/user/").content.decode()
    written_styles = re.findall(r"<style[^>]*>(.*?)</style>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in written_styles]
    assert [f"'sha256-{digest}'" in ADMIN["style-src-elem"] for digest in hashes] == [True]


def test_other_headers_are_sent(client):
    response = client.get("/accounts/login/")
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["X-Permitted-Cross-Domain-Policies"] == "none"
    assert response["Permissions-Policy"].startswith("camera=(), ")

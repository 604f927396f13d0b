"""The mails about who belongs to a tenant, as text and with links to click."""

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives

from tenants.enums import Role
from tenants.invitations import invite
from tenants.mails import as_html

SITE = "http://127.0.0.1:8000"


@pytest.mark.django_db(transaction=True)
def test_invitation_has_its_link_as_text_and_to_click(tenant, owner):
    invite(tenant, "new@acme.test", Role.ADMIN, by=owner)
    (sent,) = mail.outbox
    assert isinstance(sent, EmailMultiAlternatives)
    (html,) = [str(content) for content, kind in sent.alternatives if kind == "text/html"]
    (link,) = [line for line in str(sent.body).splitlines() if line.startswith(f"{SITE}/invitation/")]
    assert f'<a href="{link}" ' in html
    assert "owner@acme.test invites you to join Acme on Headwater, as admin." in html


def test_text_of_a_customer_is_neither_html_nor_a_link():
    html = as_html("About <b>", "Hello,\n\nhttps://elsewhere.test/ and <b>more</b>\n\nhttps://elsewhere.test/")
    assert "<a " not in html
    assert "<b>" not in html
    assert "https://elsewhere.test/ and &lt;b&gt;more&lt;/b&gt;" in html


def test_lines_of_a_paragraph_stay_lines():
    assert "one<br>two" in as_html("Lines", "one\ntwo")

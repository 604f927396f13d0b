import pytest

from examples.campaigns.content import preview
from examples.campaigns.links import click_url, open_url, unsubscribe_url
from examples.campaigns.sending import fix_recipients, send_rest
from tenants.scoping import scope
from tests.examples.campaigns.conftest import make_campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail(tenant, person, mail_server, settings):
    """A campaign's email as it came over the wire, with its message's id."""
    settings.SITE_URL = "https://app.test"
    settings.DEFAULT_FROM_EMAIL = "Headwater <no-reply@app.test>"
    tenant.name = "Acme, Inc."
    tenant.save()
    campaign = make_campaign(tenant, body="One <b>\n\nTwo")
    with scope(tenant.pk):
        fix_recipients(campaign, [person])
        send_rest(campaign)
        return mail_server.parsed()[0], campaign.messages.model.objects.get().pk


def test_email_says_who_sends_it(mail):
    parsed, message_id = mail
    assert parsed["From"] == '"Acme, Inc." <no-reply@app.test>'
    assert parsed["Message-ID"] == f"<message-{message_id}.campaigns@app.test>"


def test_email_has_the_headers_of_one_click_unsubscribing(mail):
    parsed, message_id = mail
    assert parsed["List-Unsubscribe"].strip() == f"<{unsubscribe_url(message_id)}>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_email_has_its_addresses_in_html_and_text(mail):
    parsed, message_id = mail
    html = parsed.get_body(("html",)).get_content()
    text = parsed.get_body(("plain",)).get_content()
    assert f'href="{click_url(message_id)}"' in html
    assert f'href="{unsubscribe_url(message_id)}"' in html
    assert f'<img src="{open_url(message_id)}"' in html
    assert click_url(message_id) in text
    assert unsubscribe_url(message_id) in text
    assert click_url(message_id).startswith("https://app.test/email/click/")


def test_email_shows_the_body_as_written(mail):
    parsed, _message_id = mail
    assert "<p>One &lt;b&gt;</p>" in parsed.get_body(("html",)).get_content()
    assert "One <b>" in parsed.get_body(("plain",)).get_content()


def test_preview_has_nothing_that_is_counted(draft):
    html = preview(draft)
    assert "/email/" not in html
    assert "<img" not in html
    assert 'href=""' not in html
    assert 'href="https://acme.test/news?a=1&amp;b=2"' in html

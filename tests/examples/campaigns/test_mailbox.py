import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.urls import Resolver404, resolve

from examples.campaigns.links import unsubscribe_url
from examples.campaigns.mailbox import open_mail
from examples.campaigns.models import MailboxMessage, Person
from examples.campaigns.sending import Sent, fix_recipients, send_rest
from tenants.scoping import scope
from tests.examples.campaigns.conftest import make_person

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.examples.campaigns.demo_urls")]


@pytest.fixture(autouse=True)
def demo(settings):
    settings.DEMO = True
    settings.SITE_URL = "http://testserver"
    settings.EMAIL_BACKEND = "examples.campaigns.mailbox.MailboxBackend"


@pytest.fixture
def campaign_mail(tenant, draft, owner):
    with scope(tenant.pk):
        fix_recipients(draft, [make_person(tenant, owner.email)])
        assert send_rest(draft) == Sent(delivered=1)
    return MailboxMessage.objects.get()


def test_backend_keeps_every_mail_with_all_its_recipients():
    with mail.get_connection() as connection:
        sent = mail.EmailMessage(
            "A subject", "Text", "from@app.test", ["Ada@app.test"], bcc=["Lin <lin@app.test>"], connection=connection
        ).send()
    assert sent == 1
    kept = MailboxMessage.objects.get()
    assert (kept.subject, kept.recipients) == ("A subject", ["ada@app.test", "lin@app.test"])
    assert open_mail(kept).text == "Text"
    assert open_mail(kept).html is None


def test_inbox_without_mail_says_what_to_do(owner_client):
    assert "No mail yet" in owner_client.get("/mailbox/").content.decode()


def test_inbox_shows_ones_own_mail_and_staff_all(owner_client, admin_client, staff_client, campaign_mail):
    pages = [client.get("/mailbox/").content.decode() for client in (owner_client, admin_client, staff_client)]
    assert [page.count("Our news") for page in pages] == [1, 0, 1]


def test_inbox_shows_everybodys_mail_to_who_asks(admin_client, campaign_mail):
    page = admin_client.get("/mailbox/?all").content.decode()
    assert page.count("Our news") == 1
    assert "owner@acme.test" in page


def test_a_visitor_reads_the_mail_that_a_log_in_needs(client, campaign_mail):
    assert "Our news" in client.get("/mailbox/").content.decode()
    assert client.get(f"/mailbox/{campaign_mail.pk}/").status_code == 200
    assert client.get(f"/mailbox/{campaign_mail.pk}/body/").status_code == 200


@pytest.mark.parametrize("address", ["staff@headwater.test", "second@headwater.test"])
def test_mail_of_staff_is_for_staff(client, owner_client, staff_client, staff, address):
    EmailAddress.objects.create(user=staff, email="second@headwater.test")
    mail.send_mail("Reset", "Link", None, [address, "owner@acme.test"])
    path = f"/mailbox/{MailboxMessage.objects.get().pk}/"
    assert [c.get(path).status_code for c in (client, owner_client, staff_client)] == [404, 404, 200]
    pages = [c.get("/mailbox/?all").content.decode() for c in (client, owner_client, staff_client)]
    assert ["Reset" in page for page in pages] == [False, False, True]


@pytest.mark.parametrize("mails", [1, 3])
def test_inbox_asks_the_same_number_of_queries_for_any_mails(owner, owner_client, django_assert_num_queries, mails):
    for _ in range(mails):
        mail.send_mail("A subject", "Text", None, [owner.email])
    # Session, user, the count of mails, the mails.
    with django_assert_num_queries(4):
        owner_client.get("/mailbox/")


def test_mail_shows_its_headers_and_the_frame(owner_client, campaign_mail):
    page = owner_client.get(f"/mailbox/{campaign_mail.pk}/").content.decode()
    assert "List-Unsubscribe-Post" in page
    assert f'src="/mailbox/{campaign_mail.pk}/body/"' in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"' in page


def test_body_is_html_that_can_run_nothing(owner_client, campaign_mail):
    response = owner_client.get(f"/mailbox/{campaign_mail.pk}/body/")
    assert response["Content-Security-Policy"].startswith(
        "default-src 'none'; img-src 'self' http://testserver; style-src 'unsafe-inline'; "
    )
    assert '<head><base target="_blank">' in response.content.decode()


def test_body_of_a_text_mail_is_not_found(owner, owner_client):
    mail.send_mail("A subject", "Text", None, [owner.email])
    text_mail = MailboxMessage.objects.get()
    assert owner_client.get(f"/mailbox/{text_mail.pk}/").status_code == 200
    assert owner_client.get(f"/mailbox/{text_mail.pk}/body/").status_code == 404


def test_one_click_button_unsubscribes_as_a_mail_program_would(tenant, owner_client, campaign_mail, heard):
    with scope(tenant.pk):
        message_id = Person.objects.get().messages.model.objects.get().pk
    url = open_mail(campaign_mail).one_click_url
    assert url == unsubscribe_url(message_id)
    assert f'action="{url}"' in owner_client.get(f"/mailbox/{campaign_mail.pk}/").content.decode()
    owner_client.post(url, {"List-Unsubscribe": "One-Click"})
    assert [name for name, _activity in heard] == ["unsubscribed"]


def test_one_click_button_leads_nowhere_else():
    headers = {
        "List-Unsubscribe": "<http://testserver.evil.test/x>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    mail.EmailMessage("A subject", "Text", None, ["ada@app.test"], headers=headers).send()
    assert open_mail(MailboxMessage.objects.get()).one_click_url is None


@pytest.mark.urls("config.urls")
def test_mailbox_is_not_mounted_without_the_demo():
    with pytest.raises(Resolver404):
        resolve("/mailbox/")

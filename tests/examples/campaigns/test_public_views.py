import pytest
from django.core.signing import Signer
from django.test import Client

from examples.campaigns.links import click_url, open_url, token_of, unsubscribe_url
from examples.campaigns.models import Message, Person
from integrations.signals import EmailActivity, Recipient
from tenants.scoping import every_tenant
from tests.examples.campaigns.conftest import make_campaign, make_message, make_person

pytestmark = pytest.mark.django_db

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
AGENT = "Mozilla/5.0 (reader)"


@pytest.fixture(autouse=True)
def site(settings):
    settings.SITE_URL = "http://testserver"


@pytest.fixture
def reader():
    return Client(headers={"User-Agent": AGENT}, REMOTE_ADDR="203.0.113.7", enforce_csrf_checks=True)


def stored(message) -> Message:
    with every_tenant():
        return Message.objects.select_related("campaign", "person").get(pk=message.pk)


def activity_of_reader(message, occurred_at, **fields):
    return EmailActivity(
        tenant_id=message.campaign.tenant_id,
        recipient=Recipient(email="ada@customer.test", tool_id=str(message.person_id), user_id="user-1001"),
        occurred_at=occurred_at,
        email_id=f"message-{message.pk}",
        email_subject="Our news",
        campaign_id=f"campaign-{message.campaign_id}",
        campaign_name="Autumn",
        ip="203.0.113.7",
        user_agent=AGENT,
        **fields,
    )


def test_pixel_tells_of_the_first_open_alone(reader, message, heard):
    answers = [reader.get(open_url(message.pk)) for _ in range(2)]
    assert [(answer.status_code, answer["Content-Type"]) for answer in answers] == [(200, "image/gif")] * 2
    assert "no-store" in answers[0]["Cache-Control"]
    opened = stored(message)
    assert heard == [("opened", activity_of_reader(opened, opened.opened_at))]


def test_click_tells_of_the_first_and_invents_no_open(reader, message, heard):
    answers = [reader.get(click_url(message.pk)) for _ in range(2)]
    assert [(answer.status_code, answer["Location"]) for answer in answers] == [
        (302, "https://acme.test/news?a=1&b=2")
    ] * 2
    clicked = stored(message)
    activity = activity_of_reader(
        clicked, clicked.clicked_at, link_id="link-1", link_url="https://acme.test/news?a=1&b=2"
    )
    assert heard == [("clicked", activity)]
    assert clicked.opened_at is None


def test_click_goes_nowhere_but_to_the_campaigns_link(reader, message):
    answer = reader.get(click_url(message.pk) + "?next=https://evil.test&url=https://evil.test")
    assert answer["Location"] == "https://acme.test/news?a=1&b=2"


@pytest.mark.parametrize("address", [open_url, click_url, unsubscribe_url])
def test_head_request_records_nothing(reader, message, heard, address):
    assert reader.head(address(message.pk)).status_code in {200, 302}
    assert heard == []


def test_unsubscribe_page_asks_first(reader, message, heard):
    page = reader.get(unsubscribe_url(message.pk))
    assert page.status_code == 200
    assert "Unsubscribe from acme?" in page.content.decode().replace("Acme", "acme")
    assert heard == []
    assert stored(message).person.unsubscribed_at is None


def test_one_click_unsubscribes_once_without_a_cookie(reader, message, heard):
    for _ in range(2):
        page = reader.post(unsubscribe_url(message.pk), ONE_CLICK)
        assert page.status_code == 200
        assert "You are unsubscribed" in page.content.decode()
    gone = stored(message)
    assert heard == [("unsubscribed", activity_of_reader(gone, gone.unsubscribed_at))]
    assert gone.person.unsubscribed_at == gone.unsubscribed_at


def test_post_that_is_not_one_click_only_asks(reader, message, heard):
    page = reader.post(unsubscribe_url(message.pk), {"List-Unsubscribe": "maybe"})
    assert "Unsubscribe from" in page.content.decode()
    assert heard == []


def test_person_unsubscribes_once_from_two_campaigns(tenant, reader, message, person, heard):
    second = make_message(make_campaign(tenant, name="Winter"), person)
    reader.post(unsubscribe_url(message.pk), ONE_CLICK)
    reader.post(unsubscribe_url(second.pk), ONE_CLICK)
    assert [activity.email_id for _name, activity in heard] == [f"message-{message.pk}"]
    assert stored(second).unsubscribed_at is None


def broken_tokens(message_id: int) -> list[str]:
    token = token_of(message_id)
    return [
        token[:-1],
        token.replace(f"{message_id}.", f"{message_id + 1}."),
        str(message_id),
        Signer(sep=".").sign(str(message_id)),
        token_of(message_id + 1_000_000),
    ]


@pytest.mark.parametrize("path", ["click", "unsubscribe"])
@pytest.mark.parametrize("which", range(5))
def test_broken_link_says_so_and_records_nothing(reader, message, heard, path, which):
    token = broken_tokens(message.pk)[which]
    page = reader.get(f"/email/{path}/{token}/")
    assert page.status_code == 404
    assert "This link does not work" in page.content.decode()
    assert heard == []


@pytest.mark.parametrize("which", range(5))
def test_broken_one_click_unsubscribes_nobody(reader, message, heard, which):
    page = reader.post(f"/email/unsubscribe/{broken_tokens(message.pk)[which]}/", ONE_CLICK)
    assert page.status_code == 404
    assert heard == []
    with every_tenant():
        assert Person.objects.filter(unsubscribed_at=None).count() == 1


@pytest.mark.parametrize("which", range(5))
def test_broken_pixel_is_a_picture_all_the_same(reader, message, heard, which):
    answer = reader.get(f"/email/open/{broken_tokens(message.pk)[which]}/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/gif")
    assert heard == []


def test_links_of_two_tenants_stay_apart(reader, message, other_tenant, heard):
    theirs = make_message(make_campaign(other_tenant, link_url="https://other.test/"), make_person(other_tenant))
    assert reader.get(click_url(theirs.pk))["Location"] == "https://other.test/"
    assert [activity.tenant_id for _name, activity in heard] == [other_tenant.pk]
    assert stored(message).clicked_at is None

import pytest

from examples.campaigns.models import Campaign, Message, Person
from tenants.scoping import scope
from tests.examples.campaigns.conftest import make_campaign, make_message, make_person
from tests.integrations.test_identity import make_person as known_to_segment

pytestmark = pytest.mark.django_db

CAMPAIGNS = "/t/acme/campaigns/"
TEXTS = {
    "name": "Spring",
    "subject": "It is spring",
    "body": "Hello",
    "link_text": "Look",
    "link_url": "https://acme.test/",
}


@pytest.fixture
def text_of():
    return lambda response: response.content.decode()


def test_list_without_campaigns_says_how_to_begin(owner_client, text_of):
    page = text_of(owner_client.get(CAMPAIGNS))
    assert "No campaigns yet" in page
    assert f'href="{CAMPAIGNS}new/"' in page


def test_viewer_is_offered_nothing_to_change(viewer_client, draft, person, text_of):
    assert f"{CAMPAIGNS}new/" not in text_of(viewer_client.get(CAMPAIGNS))
    assert f"{draft.pk}/send/" not in text_of(viewer_client.get(f"{CAMPAIGNS}{draft.pk}/"))
    assert "people/new/" not in text_of(viewer_client.get(f"{CAMPAIGNS}people/"))


@pytest.mark.parametrize("path", ["", "people/"])
@pytest.mark.parametrize("rows", [1, 3])
def test_list_pages_ask_the_same_number_of_queries_for_any_rows(
    tenant, owner_client, django_assert_num_queries, path, rows
):
    for number in range(rows):
        make_message(make_campaign(tenant), make_person(tenant, f"p{number}@customer.test"))
    # Session, user, membership, the tenants of the menu, the count of rows, the rows; people also the subscribed, and
    # what Segment calls them.
    with django_assert_num_queries(8 if path else 6):
        owner_client.get(CAMPAIGNS + path)


@pytest.mark.parametrize("rows", [1, 3])
def test_report_asks_the_same_number_of_queries_for_any_rows(
    tenant, owner_client, draft, django_assert_num_queries, rows
):
    Campaign(pk=draft.pk, tenant=tenant, sent_at=draft.created_at).save(update_fields=["sent_at"])
    for number in range(rows):
        make_message(draft, make_person(tenant, f"p{number}@customer.test"))
    # Session, user, membership, menu; campaign, totals, waiting, the count of rows, the rows.
    with django_assert_num_queries(9):
        owner_client.get(f"{CAMPAIGNS}{draft.pk}/")


def test_create_campaign_leads_to_its_preview(admin_client, tenant, text_of):
    response = admin_client.post(f"{CAMPAIGNS}new/", TEXTS)
    with scope(tenant.pk):
        created = Campaign.objects.get()
    assert response["Location"] == f"{CAMPAIGNS}{created.pk}/"
    assert [getattr(created, field) for field in TEXTS] == list(TEXTS.values())
    assert "It is spring" in text_of(admin_client.get(response["Location"]))


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "JavaScript://acme.test/%0aalert(1)", "ftp://acme.test/", "data:text/html,x", "https://"],
)
def test_create_campaign_refuses_a_link_that_is_no_web_address(admin_client, tenant, url, text_of):
    response = admin_client.post(f"{CAMPAIGNS}new/", TEXTS | {"link_url": url})
    assert response.status_code == 200
    assert text_of(response).count("begins with https:// or http://") == 1
    with scope(tenant.pk):
        assert Campaign.objects.count() == 0


def test_subject_with_a_line_break_becomes_one_line(admin_client, tenant):
    admin_client.post(f"{CAMPAIGNS}new/", TEXTS | {"subject": "Hello\r\nBcc: evil@evil.test"})
    with scope(tenant.pk):
        assert Campaign.objects.get().subject == "Hello Bcc: evil@evil.test"


def test_edit_changes_a_draft(admin_client, tenant, draft):
    admin_client.post(f"{CAMPAIGNS}{draft.pk}/edit/", TEXTS)
    with scope(tenant.pk):
        assert Campaign.objects.get().name == "Spring"


def test_edit_of_a_sent_campaign_changes_nothing(admin_client, tenant, text_of):
    sent = make_campaign(tenant)
    sent.sent_at = sent.created_at
    sent.save()
    response = admin_client.post(f"{CAMPAIGNS}{sent.pk}/edit/", TEXTS, follow=True)
    assert "has been sent and can&#x27;t be changed" in text_of(response)
    with scope(tenant.pk):
        assert Campaign.objects.get().name == "Autumn"


def test_preview_body_may_do_nothing(viewer_client, draft):
    response = viewer_client.get(f"{CAMPAIGNS}{draft.pk}/body/")
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"


def test_confirm_shows_everyone_subscribed_and_sends_nothing(admin_client, tenant, draft, person, mailoutbox, text_of):
    make_person(tenant, "gone@customer.test", unsubscribed_at=draft.created_at)
    page = text_of(admin_client.get(f"{CAMPAIGNS}{draft.pk}/send/confirm/", {"audience": "everyone"}))
    assert "Send to 1 person?" in page
    assert "ada@customer.test" in page
    assert "gone@customer.test" not in page
    assert mailoutbox == []


def test_confirm_warns_of_people_without_an_id(admin_client, tenant, draft, person, text_of):
    path = f"{CAMPAIGNS}{draft.pk}/send/confirm/"
    assert "no id of yours" not in text_of(admin_client.get(path, {"audience": "everyone"}))
    assert "1 of 1 has no id of yours" in text_of(admin_client.get(path, {"audience": "myself"}))
    make_person(tenant, "grace@customer.test", external_id="")
    assert "1 of 2 has no id of yours" in text_of(admin_client.get(path, {"audience": "everyone"}))


def test_whom_segment_knows_needs_no_id_of_the_customers(admin_client, tenant, draft, text_of):
    make_person(tenant, "Grace@customer.test", external_id="")
    make_person(tenant, "ada@customer.test", external_id="own-1")
    make_person(tenant, "eve@customer.test", external_id="own-2")
    known_to_segment(tenant, "seg-1", "ada@customer.test")
    known_to_segment(tenant, "seg-3", "grace@customer.test")
    page = text_of(admin_client.get(f"{CAMPAIGNS}{draft.pk}/send/confirm/", {"audience": "everyone"}))
    assert "no id of yours" not in page
    people = text_of(admin_client.get(f"{CAMPAIGNS}people/"))
    assert people.count("Id from Segment") == 2
    assert ["seg-1" in people, "seg-3" in people, "own-1" in people, "own-2" in people] == [True, True, False, True]


def test_send_to_everyone_twice_writes_once(admin_client, tenant, draft, person, heard, mailoutbox, text_of):
    answers = [
        admin_client.post(f"{CAMPAIGNS}{draft.pk}/send/confirm/", {"audience": "everyone"}, follow=True)
        for _ in range(2)
    ]
    assert "1 sent." in text_of(answers[0])
    assert "Nobody is written to a second time." in text_of(answers[1])
    assert [mail.to for mail in mailoutbox] == [["ada@customer.test"]]
    assert [name for name, _activity in heard] == ["delivered"]


def test_send_to_the_chosen_writes_to_them_alone(admin_client, tenant, draft, person, mailoutbox):
    make_person(tenant, "grace@customer.test")
    admin_client.post(f"{CAMPAIGNS}{draft.pk}/send/confirm/", {"audience": "chosen", "people": [person.pk]})
    assert [mail.to for mail in mailoutbox] == [["ada@customer.test"]]


def test_send_to_myself_makes_me_a_person(admin_client, tenant, admin, draft, person, mailoutbox):
    admin_client.get(f"{CAMPAIGNS}{draft.pk}/send/confirm/", {"audience": "myself"})
    with scope(tenant.pk):
        assert Person.objects.count() == 1
    admin_client.post(f"{CAMPAIGNS}{draft.pk}/send/confirm/", {"audience": "myself"})
    assert [mail.to for mail in mailoutbox] == [[admin.email]]
    with scope(tenant.pk):
        assert Person.objects.filter(email=admin.email).count() == 1


def test_send_to_myself_keeps_the_id_that_i_give(admin_client, tenant, admin, draft, person, mailoutbox, text_of):
    path = f"{CAMPAIGNS}{draft.pk}/send/confirm/"
    to_myself = {"audience": "myself", "own_id": "user-7"}
    assert "no id of yours" not in text_of(admin_client.get(path, to_myself))
    admin_client.post(path, to_myself)
    with scope(tenant.pk):
        assert Person.objects.get(email=admin.email).external_id == "user-7"


def test_send_to_myself_refuses_an_address_as_id(admin_client, draft, person, text_of):
    path = f"{CAMPAIGNS}{draft.pk}/send/confirm/"
    answer = admin_client.get(path, {"audience": "myself", "own_id": "ada@example.com"})
    assert "This is an email address." in text_of(answer)


@pytest.mark.parametrize(
    ("audience", "message"),
    [
        ("everyone", "There is nobody to write to yet."),
        ("chosen", "Nobody is ticked."),
        ("myself", "has unsubscribed and can&#x27;t be written to"),
    ],
)
def test_send_without_recipients_says_so_and_changes_nothing(
    admin_client, tenant, admin, draft, audience, message, text_of
):
    make_person(tenant, admin.email, unsubscribed_at=draft.created_at)
    response = admin_client.post(f"{CAMPAIGNS}{draft.pk}/send/confirm/", {"audience": audience})
    assert message in text_of(response)
    with scope(tenant.pk):
        assert Campaign.objects.get().sent_at is None
        assert Message.objects.count() == 0


def test_person_of_another_tenant_cannot_be_chosen(
    admin_client, tenant, other_tenant, draft, person, mailoutbox, text_of
):
    theirs = make_person(other_tenant, "theirs@customer.test")
    path = f"{CAMPAIGNS}{draft.pk}/send/confirm/"
    response = admin_client.post(path, {"audience": "chosen", "people": [person.pk, theirs.pk]})
    assert "Please choose again" in text_of(response)
    assert mailoutbox == []


def test_server_down_is_told_and_the_rest_sent_later(admin_client, draft, person, mail_server, text_of):
    mail_server.dies_after = 0
    page = text_of(admin_client.post(f"{CAMPAIGNS}{draft.pk}/send/confirm/", {"audience": "everyone"}, follow=True))
    assert "could not be reached or broke off" in page
    assert "1 email has not been sent yet." in page
    assert "Send the rest" in page
    mail_server.dies_after = None
    page = text_of(admin_client.post(f"{CAMPAIGNS}{draft.pk}/send/rest/", follow=True))
    assert "1 sent." in page
    assert "Send the rest" not in page
    assert mail_server.recipients() == [person.email]


def test_send_rest_of_a_draft_is_not_found(admin_client, draft, person, mailoutbox):
    assert admin_client.post(f"{CAMPAIGNS}{draft.pk}/send/rest/").status_code == 404
    assert mailoutbox == []


def acts(campaign_id: int, person_id: int) -> dict[str, dict[str, str]]:
    """Everything that changes something: path and data."""
    return {
        "new/": TEXTS,
        f"{campaign_id}/edit/": TEXTS,
        f"{campaign_id}/send/confirm/": {"audience": "everyone"},
        f"{campaign_id}/send/rest/": {},
        "people/new/": {"email": "new@customer.test"},
        f"people/{person_id}/": {"email": "new@customer.test"},
        f"people/{person_id}/remove/": {},
        f"people/{person_id}/resubscribe/": {},
    }


def state(tenant):
    with scope(tenant.pk):
        return [list(model.objects.order_by("pk").values()) for model in (Campaign, Person, Message)]


@pytest.mark.parametrize("which", range(8))
def test_viewer_may_change_nothing(viewer_client, tenant, draft, person, mailoutbox, which):
    path, data = list(acts(draft.pk, person.pk).items())[which]
    before = state(tenant)
    assert viewer_client.post(CAMPAIGNS + path, data).status_code == 403
    assert state(tenant) == before
    assert mailoutbox == []


@pytest.mark.parametrize("which", range(8))
def test_stranger_finds_nothing_and_changes_nothing(stranger_client, tenant, draft, person, mailoutbox, which):
    path, data = list(acts(draft.pk, person.pk).items())[which]
    before = state(tenant)
    assert stranger_client.post(CAMPAIGNS + path, data).status_code == 404
    # Under the stranger's own address the rows of the other tenant are not there either.
    if path not in {"new/", "people/new/"}:
        assert stranger_client.post(f"/t/other/campaigns/{path}", data).status_code == 404
    assert state(tenant) == before
    assert mailoutbox == []


@pytest.mark.parametrize("path", ["{campaign}/", "{campaign}/body/", "{campaign}/send/", "people/{person}/"])
def test_stranger_reads_nothing(stranger_client, draft, person, path):
    path = path.format(campaign=draft.pk, person=person.pk)
    assert stranger_client.get(CAMPAIGNS + path).status_code == 404
    assert stranger_client.get(f"/t/other/campaigns/{path}").status_code == 404


def test_anonymous_visitor_is_sent_to_log_in(client, draft):
    response = client.get(f"{CAMPAIGNS}{draft.pk}/")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=")

"""Forms that make something or end it, sent twice: one after the other, and as two real requests at the same moment."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from django.db import connection, transaction
from django.utils import timezone

from examples.campaigns.models import Campaign, Person
from integrations.api_keys import issue_api_key
from integrations.enums import KeyPurpose
from integrations.models import ApiKey, SharedSecret, Source
from tenants.enums import Role
from tenants.exports.models import Export
from tenants.invitations import invite
from tenants.members import LAST_OWNER
from tenants.models import AuditEntry, Erasure, Invitation, Membership, Submission, Tenant, User
from tenants.once import KEPT, TWICE
from tests.conftest import WRITE_KEY, make_member, make_source, make_user
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("everything")

SOURCE = {"name": "Production", "write_key": WRITE_KEY, "region": "eu"}
CAMPAIGN = {"name": "Spring", "subject": "Spring is here", "body": "Good news.", "link_text": "Read"}
CAMPAIGN |= {"link_url": "https://acme.test/news"}


@dataclass(frozen=True)
class Made:
    """A form: its page, what is filled in, how many there are of what it makes, and where it leads."""

    page: str
    data: dict[str, str]
    count: Callable[[], int]
    leads_to: str


def deed(name: str) -> Callable[[], int]:
    return lambda: AuditEntry.objects.filter(deed=name).count()


MADE = {
    "source": Made(
        "/t/acme/integrations/segment/connect/", SOURCE, Source.objects.count, r"/segment/\d+/check/"
    ),
    "api key": Made(
        "/t/acme/integrations/keys/new/", {"name": "Web shop", "purpose": "ingest"},
        lambda: ApiKey.objects.filter(purpose="ingest").count(), r"/keys/\d+/made/",
    ),
    "shared secret": Made(
        "/t/acme/integrations/segment/people/{key}/secret/", {"shared_secret": "a secret of both"},
        deed("set the shared secret of"), "/segment/people/",
    ),
    "campaign": Made("/t/acme/campaigns/new/", CAMPAIGN, Campaign.objects.count, r"/campaigns/\d+/"),
    "person": Made(
        "/t/acme/campaigns/people/new/", {"email": "ada@customer.test"}, Person.objects.count, "/people/"
    ),
    "invitation": Made(
        "/t/acme/invitations/", {"email": "new@acme.test", "role": "viewer"}, Invitation.objects.count,
        "/t/acme/invitations/",
    ),
    "erasure": Made(
        "/t/acme/privacy/", {"field": "email", "value": "ada@customer.test", "sure": "on"},
        Erasure.objects.count, "/erasure/",
    ),
    "company": Made("/new/", {"name": "Second"}, lambda: Tenant.objects.filter(name="Second").count(), "/t/second/"),
    "export": Made("/t/acme/privacy/export/", {}, Export.objects.count, "/t/acme/privacy/"),
    "end of an invitation": Made(
        "/t/acme/invitations/{invitation}/revoke/", {}, deed("revoked the invitation of"), "/t/acme/invitations/"
    ),
    "end of a source": Made(
        "/t/acme/integrations/segment/{source}/delete/", {"name": "Main"}, Erasure.objects.count, "/erasure/"
    ),
    # Whoever has sent these once may not, or cannot, open their page again.
    "lower role": Made("/t/acme/members/{owner}/", {"role": "viewer"}, deed("changed the role of"), "/t/acme/members/"),
    "new owner": Made(
        "/t/acme/members/{viewer}/transfer/", {}, deed("transferred ownership to"), "/t/acme/members/"
    ),
    "removal": Made("/t/acme/members/{viewer}/remove/", {}, deed("removed"), "/t/acme/members/"),
    "leaving": Made("/t/acme/members/leave/", {}, deed("left"), "^(http://[^/]+)?/(new/)?$"),
    "end of a company": Made("/t/acme/delete/", {"name": "Acme"}, Erasure.objects.count, "/erasure/"),
}  # fmt: skip

SUBJECTS: dict[str, Callable[[Tenant, User], int]] = {
    "key": lambda tenant, owner: issue_api_key(tenant, KeyPurpose.INBOUND, name="Segment", by=owner)[0].pk,
    "invitation": lambda tenant, owner: invite(tenant, "ann@new.test", Role.VIEWER, by=owner).pk,
    "source": lambda tenant, _owner: make_source(tenant, WRITE_KEY).pk,
    "owner": lambda _tenant, owner: owner.pk,
    "viewer": lambda tenant, _owner: make_member(tenant, Role.VIEWER).pk,
}
"""What the addresses name, made for those that do."""


@pytest.fixture(params=MADE)
def made(request, tenant, owner) -> Made:
    form = MADE[request.param]
    subjects = {name: make(tenant, owner) for name, make in SUBJECTS.items() if f"{{{name}}}" in form.page}
    # The first one may leave.
    Membership.objects.create(tenant=tenant, user=make_user("second@acme.test"), role=Role.OWNER)
    return Made(form.page.format(**subjects), form.data, form.count, form.leads_to)


def hidden_in(page: str) -> dict[str, str]:
    """What a browser sends along of the page's last form."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)"', page.rpartition("<form")[2])) | dict(
        re.findall(r'<input type="hidden" name="(once|csrfmiddlewaretoken)" value="([^"]+)"', page)
    )


def filled_in(client, made: Made) -> dict[str, str]:
    return hidden_in(client.get(made.page).content.decode()) | made.data


def test_sent_twice_it_makes_one_and_leads_there(owner_client, made):
    data = filled_in(owner_client, made)
    owner_client.post(made.page, data)
    again = owner_client.post(made.page, data)
    assert made.count() == 1
    assert re.search(made.leads_to, again["Location"])
    assert TWICE in owner_client.get(again["Location"], follow=True).content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_make_one_and_lead_there(live_server, owner_client, made):
    data = hidden_in(owner_client.get(made.page).content.decode()) | made.data
    cookies = {name: cookie.value for name, cookie in owner_client.cookies.items()}
    pages: list[httpx.Response] = []

    def send() -> None:
        with httpx.Client(base_url=live_server.url, cookies=cookies, follow_redirects=True, timeout=60) as browser:
            pages.append(browser.post(made.page, data=data))

    senders = [threading.Thread(target=send) for _ in range(2)]
    with transaction.atomic(), connection.cursor() as cursor:
        # Both are past all looking, and about to note the form, before either may.
        cursor.execute("LOCK TABLE tenants_submission IN SHARE ROW EXCLUSIVE MODE")
        for sender in senders:
            sender.start()
        assert eventually(waiting_for_locks, lambda count: count == 2) == 2
    for sender in senders:
        sender.join()
    assert [page.status_code for page in pages] == [200, 200]
    assert made.count() == 1
    [told] = [page for page in pages if TWICE in page.text]
    assert re.search(made.leads_to, str(told.url))


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def test_the_key_that_is_shown_once_is_not_shown_again(owner_client, tenant):
    data = filled_in(owner_client, MADE["api key"])
    assert "hw_ingest_" in owner_client.post(MADE["api key"].page, data).content.decode()
    page = owner_client.post(MADE["api key"].page, data, follow=True).content.decode()
    assert "This key was made already" in page
    assert "hw_ingest_" not in page
    key = ApiKey.objects.get()
    assert f"••••{key.last_four}" in page
    assert f"/t/acme/integrations/keys/{key.pk}/revoke/" in page


def test_a_form_with_a_mistake_made_nothing_and_can_be_sent_again(owner_client, tenant):
    data = filled_in(owner_client, MADE["campaign"])
    assert owner_client.post(MADE["campaign"].page, data | {"name": ""}).status_code == 200
    assert not Submission.objects.exists()
    owner_client.post(MADE["campaign"].page, data)
    assert Campaign.objects.count() == 1


def test_a_form_that_was_refused_can_be_sent_again(owner_client, owner, tenant):
    """The last owner is told so each time, and not that it was done."""
    data = filled_in(owner_client, MADE["leaving"])
    for _ in range(2):
        page = owner_client.post(MADE["leaving"].page, data, follow=True).content.decode()
        assert LAST_OWNER in page
        assert TWICE not in page
    Membership.objects.create(tenant=tenant, user=make_user("second@acme.test"), role=Role.OWNER)
    owner_client.post(MADE["leaving"].page, data)
    assert not owner.memberships.exists()


def test_a_form_sent_after_signing_out_asks_to_sign_in(owner_client, client, tenant):
    data = filled_in(owner_client, MADE["leaving"])
    assert client.post(MADE["leaving"].page, data)["Location"].startswith("/accounts/login/")
    assert not Submission.objects.exists()


def test_a_form_that_was_changed_is_another_form(owner_client, tenant):
    data = filled_in(owner_client, MADE["campaign"])
    for name in ("One", "Two", "Two"):
        owner_client.post(MADE["campaign"].page, data | {"name": name})
    assert list(Campaign.objects.order_by("pk").values_list("name", flat=True)) == ["One", "Two"]


def test_each_page_has_a_token_of_its_own(owner_client, tenant):
    for _ in range(2):
        owner_client.post(MADE["campaign"].page, filled_in(owner_client, MADE["campaign"]))
    assert Campaign.objects.count() == 2


def test_another_person_who_sends_the_same_is_not_taken_for_the_first(owner_client, admin_client, tenant):
    data = filled_in(owner_client, MADE["campaign"])
    for client in (owner_client, admin_client):
        client.post(MADE["campaign"].page, data)
    assert Campaign.objects.count() == 2


def test_what_is_noted_tells_no_secret_and_goes_after_a_day(owner_client, owner, tenant):
    owner_client.post(MADE["source"].page, filled_in(owner_client, MADE["source"]))
    [noted] = Submission.objects.values_list()
    assert WRITE_KEY not in str(noted)
    Submission.objects.update(at=timezone.now() - KEPT - timedelta(seconds=1))
    owner_client.post(MADE["campaign"].page, filled_in(owner_client, MADE["campaign"]))
    assert [row.led_to.split("/")[3] for row in Submission.objects.all()] == ["campaigns"]


def test_a_failure_leaves_the_form_unsent(owner_client, tenant):
    data = filled_in(owner_client, MADE["source"])
    with pytest.raises(Tenant.DoesNotExist):
        _fail_while_sent(owner_client, data)
    assert (Source.objects.count(), Submission.objects.count()) == (0, 0)
    owner_client.post(MADE["source"].page, data)
    assert Source.objects.count() == 1


def _fail_while_sent(client, data: dict[str, str]) -> None:
    from integrations.signals import source_changed

    def fail(**_kwargs: object) -> None:
        raise Tenant.DoesNotExist

    source_changed.connect(fail)
    try:
        client.post(MADE["source"].page, data)
    finally:
        source_changed.disconnect(fail)


def test_the_shared_secret_that_was_sent_twice_is_kept(owner_client, tenant, owner):
    key, _text = issue_api_key(tenant, KeyPurpose.INBOUND, name="Segment", by=owner)
    page = f"/t/acme/integrations/segment/people/{key.pk}/secret/"
    form = Made(page, {"shared_secret": "a secret of both"}, lambda: 0, "")
    data = filled_in(owner_client, form)
    for _ in range(2):
        owner_client.post(page, data)
    assert SharedSecret.objects.get().unseal().reveal() == "a secret of both"

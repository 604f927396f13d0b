"""The campaign of Segment's reviewers with people whom Segment has named, and others, through the running product."""

import json
import re
from dataclasses import dataclass

import httpx
import pytest

from tests.browser.product import running_product
from tests.waiting import eventually

PLAIN_KEY, ANONYMOUS_KEY = "Kq7hV2mNx9TbR4wLz6cYd1PfJ8sGa3Ue", "Qz3jB8nMx1TbR4wLz6cYd1PfJ8sGa3Ue"
ADA, STRANGER = "ada@demo.test", "stranger@customer.test"
SEGMENT_PAGES = "/t/acme/integrations/segment/"


@pytest.fixture(scope="module")
def product(tmp_path_factory, django_db_setup):
    with running_product(tmp_path_factory.mktemp("identities")) as product:
        yield product


@dataclass
class Owner:
    """Ada's browser, as far as forms go: `owner(path, field=value)` fills in the form of that page."""

    client: httpx.Client

    def __call__(self, path, **fields):
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.read(path))
        assert token, path
        response = self.client.post(path, data={**fields, "csrfmiddlewaretoken": token[1]})
        assert response.status_code == 200, response.text
        return response.text

    def read(self, path):
        return self.client.get(path).text


@pytest.fixture(scope="module")
def owner(product):
    with httpx.Client(base_url=product.address, follow_redirects=True, timeout=30, trust_env=False) as client:
        owner = Owner(client)
        owner("/accounts/login/", login=ADA, password=product.logins[ADA])
        yield owner


@pytest.fixture(scope="module")
def sources(product, owner):
    """A source that wants userIds, in the US, and one in Europe that opted in to anonymousIds."""
    made = {}
    for name, region, key in (("Plain", "us", PLAIN_KEY), ("Anonymous", "eu", ANONYMOUS_KEY)):
        command = ["connect_source", "--tenant", "acme", "--name", name, "--region", region, "--json"]
        made[name] = json.loads(product.manage(*command, stdin=key))["id"]
    owner(f"{SEGMENT_PAGES}{made['Anonymous']}/sent/", identity="tool_id")
    return made


@pytest.fixture(scope="module")
def segment_says(product, owner):
    """What the tenant's workspace posts to the product."""
    page = owner("/t/acme/integrations/keys/new/", name="Subscription", purpose="inbound")
    key = re.search(r"hw_in_\w+", page)
    assert key, page

    def say(*messages):
        response = httpx.post(f"{product.address}/segment/inbound", json=messages, auth=(key[0], ""), trust_env=False)
        assert (response.status_code, response.json()["message"]) == (200, f"{len(messages)} taken.")

    return say


@pytest.fixture(scope="module")
def campaign(owner, sources, segment_says):
    """Segment names Ada first; then a campaign goes to everybody, among them somebody of whom nobody has an id."""
    segment_says({"type": "identify", "User ID": "seg-ada", "traits": {"Email": "Ada@Demo.test"}})
    owner("/t/acme/campaigns/people/new/", email=STRANGER, name="", external_id="")
    texts = {"name": "Spring", "subject": "Spring", "body": "Good news.", "link_text": "Read"}
    page = owner("/t/acme/campaigns/new/", **texts, link_url="https://acme.test/")
    number = re.search(r"/t/acme/campaigns/(\d+)/", page)
    assert number, page
    owner(f"/t/acme/campaigns/{number[1]}/send/confirm/?audience=everyone", audience="everyone")


def identities(product, region, key):
    """Type, address, userId and anonymousId of each call that arrived."""
    return sorted(
        (
            call["type"],
            (call["context"].get("traits") or call.get("traits"))["email"],
            call.get("userId"),
            call.get("anonymousId"),
        )
        for call in product.calls(region, key)
    )


@pytest.mark.usefixtures("campaign")
def test_events_carry_segments_user_id_else_the_customers_else_are_refused(product, owner, sources):
    arrived = eventually(lambda: identities(product, "us", PLAIN_KEY), lambda calls: len(calls) >= 3)
    known = {email: user_id for _type, email, user_id, _anonymous_id in arrived}
    assert known.pop(ADA) == "seg-ada"
    assert STRANGER not in known
    assert known
    assert all(user_id.startswith("user-") for user_id in known.values())
    refused = owner.read(f"{SEGMENT_PAGES}{sources['Plain']}/refused/")
    nobody = ("Nobody to attach it to: no userId", "The call does not say whom it is about.")
    # Of the stranger, and of the two people of the demo without an id.
    assert re.findall(f">({nobody[0]})<br>.*>(.*)</span></td>", refused) == [nobody] * 3


@pytest.mark.usefixtures("campaign")
def test_a_source_that_opted_in_gets_the_stranger_and_learns_the_name_once(product, owner, sources, segment_says):
    def of_the_stranger():
        return [call for call in identities(product, "eu", ANONYMOUS_KEY) if call[1] == STRANGER]

    ((_track, _email, user_id, anonymous_id),) = eventually(of_the_stranger, lambda calls: len(calls) >= 1)
    assert user_id is None
    assert re.fullmatch(r"headwater-\d+", anonymous_id)
    named = {"type": "identify", "userId": "seg-stranger", "traits": {"email": STRANGER}}
    segment_says(named, {**named, "anonymousId": "browser-1"})
    segment_says({**named, "traits": {"email": STRANGER, "plan": "paid"}})
    arrived = eventually(of_the_stranger, lambda calls: len(calls) >= 2)
    assert arrived == [("identify", STRANGER, "seg-stranger", anonymous_id), ("track", STRANGER, None, anonymous_id)]
    page = owner.read(f"{SEGMENT_PAGES}{sources['Anonymous']}/")
    assert "Opted in" in page
    assert "<td>anonymousId</td><td>3</td>" in page

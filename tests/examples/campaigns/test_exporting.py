import pytest

from tests.examples.campaigns.conftest import make_campaign, make_message, make_person
from tests.tenants.exports.exported import exported


@pytest.mark.django_db
def test_people_campaigns_and_messages_are_in_the_export(tenant, owner, other_tenant, message):
    make_message(make_campaign(other_tenant), make_person(other_tenant, "else@customer.test"))
    files = exported(tenant, owner)
    (person,) = files["campaigns/people.jsonl"]
    assert (person["email"], person["your_id"]) == ("ada@customer.test", "user-1001")
    assert [row["subject"] for row in files["campaigns/campaigns.jsonl"]] == ["Our news"]
    (sent,) = files["campaigns/messages.jsonl"]
    assert (sent["campaign"], sent["person"], sent["opened_at"]) == (message.campaign_id, person["id"], None)

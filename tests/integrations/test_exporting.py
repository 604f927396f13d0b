import json

import pytest

from integrations.api_keys import issue_api_key
from integrations.enums import KeyPurpose
from integrations.models import AnonymousId, Person, SharedSecret, WriteKey
from integrations.secrets import Secret
from tests.conftest import WRITE_KEY
from tests.tenants.exports.exported import exported

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


def make_person(tenant, user_id, **fields):
    person = Person.objects.create(
        tenant=tenant, user_id=user_id, told_at="2026-01-01T00:00Z", seen_at="2026-01-01T00:00Z", **fields
    )
    for kind, value in (("user", user_id), ("anonymous", f"anonymous-{user_id}")):
        person.keys.create(tenant=tenant, kind=kind, value=value)


def test_sources_and_keys_are_in_it_without_what_they_open_with(tenant, source, owner):
    key, text = issue_api_key(tenant, KeyPurpose.INBOUND, name="From Segment", by=owner)
    secret = SharedSecret(api_key=key)
    secret.seal(Secret("a shared secret of Segment"))
    secret.save()
    files = exported(tenant, owner)
    (shown,) = files["segment/sources.jsonl"]
    assert (shown["name"], shown["region"], shown["property_rules"]) == ("Main", "us", {})
    (made,) = files["segment/api_keys.jsonl"]
    assert made | {"created_at": ""} == {
        "purpose": "inbound", "name": "From Segment", "last_four": text.reveal()[-4:], "created_at": "",
        "last_used_at": None, "revoked_at": None, "created_by": owner.email,
    }  # fmt: skip
    everything = json.dumps(files)
    secrets = [WRITE_KEY, text.reveal(), "a shared secret", WriteKey.objects.get().fingerprint, bytes(key.digest).hex()]
    assert [each for each in secrets if each in everything] == []


def test_people_come_with_all_their_ids(tenant, other_tenant, source, owner):
    make_person(tenant, "u-1", email="ada@customer.test", traits={"plan": "pro", "points": 10**30})
    make_person(tenant, "u-2")
    make_person(other_tenant, "u-3")
    AnonymousId.objects.create(source=source, value="a-9", email="ada@customer.test")
    files = exported(tenant, owner)
    ada, other = files["segment/people.jsonl"]
    assert (ada["user_id"], ada["traits"], other["user_id"]) == ("u-1", {"plan": "pro", "points": 10**30}, "u-2")
    assert ada["ids"] == [{"kind": "user", "id": "u-1"}, {"kind": "anonymous", "id": "anonymous-u-1"}]
    assert [(row["value"], row["source"]) for row in files["segment/anonymous_ids.jsonl"]] == [("a-9", source.pk)]

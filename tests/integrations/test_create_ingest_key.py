import json

import pytest
from django.core.management import CommandError, call_command

from integrations.api_keys import find_api_key
from integrations.enums import KeyPurpose
from integrations.models import ApiKey
from tenants.scoping import every_tenant


def test_prints_the_key_alone_and_the_rest_beside_it(tenant, capsys):
    call_command("create_ingest_key", tenant="acme", name="Web shop")

    printed = capsys.readouterr()
    key = find_api_key(printed.out.removesuffix("\n"), KeyPurpose.INGEST)
    assert key
    assert (key.tenant, key.name, key.created_by) == (tenant, "Web shop", None)
    assert printed.err == "Made the ingest key “Web shop” of Acme. It is shown this once:\n"


def test_has_a_name_of_its_own(tenant):
    call_command("create_ingest_key", tenant="acme")

    with every_tenant():
        assert ApiKey.objects.get().name == "Command line"


def test_prints_json_for_programs(tenant, capsys):
    call_command("create_ingest_key", tenant="acme", json=True)

    told = json.loads(capsys.readouterr().out)
    key = find_api_key(told.pop("key"), KeyPurpose.INGEST)
    assert key
    assert told == {"id": key.pk, "tenant": "acme", "name": "Command line"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tenant": "nobody"}, "There is no tenant 'nobody'"),
        ({"tenant": "acme", "name": " "}, "--name: Give the key a name."),
        ({"tenant": "acme", "name": "x" * 101}, "--name: Ensure this value has at most 100 characters"),
    ],
)
def test_says_what_is_wrong_and_makes_nothing(tenant, options, told):
    with pytest.raises(CommandError, match=told):
        call_command("create_ingest_key", **options)

    with every_tenant():
        assert list(ApiKey.objects.all()) == []

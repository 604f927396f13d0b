import json
import os
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from integrations.models import Source, WriteKey
from tenants.models import AuditEntry
from tests.conftest import WRITE_KEY

pytestmark = pytest.mark.usefixtures("everything")


@pytest.fixture
def piped(monkeypatch):
    """Runs the command with a text on its standard input, through a pipe as a shell has it."""

    def run(text: str, *args: str) -> tuple[str, str]:
        reading, writing = os.pipe()
        with os.fdopen(writing, "w") as pipe:
            pipe.write(text)
        out, err = StringIO(), StringIO()
        with os.fdopen(reading) as pipe:
            monkeypatch.setattr(sys, "stdin", pipe)
            call_command("connect_source", *args, stdout=out, stderr=err)
        return out.getvalue(), err.getvalue()

    return run


def test_connect_source_reads_the_key_from_a_pipe(piped, tenant):
    out, err = piped(WRITE_KEY + "\n", "--tenant", "acme", "--region", "eu", "--name", "Production")

    source = Source.objects.get()
    assert (source.name, source.region, source.state) == ("Production", "eu", "connected")
    assert source.write_key.unseal().reveal() == WRITE_KEY
    assert out.splitlines() == [
        "Connected “Production” of Acme to Segment, Europe (Dublin).",
        f"id: {source.pk}",
        "tenant: acme",
        "name: Production",
        "state: connected",
        "region: eu",
        "write_key_last_four: 2345",
        f"write_key_fingerprint: {source.write_key.fingerprint}",
    ]
    assert err == ""


def test_connect_source_is_in_the_history_of_the_tenant(piped, tenant):
    piped(WRITE_KEY, "--tenant", "acme", "--region", "eu", "--name", "Production")
    with pytest.raises(CommandError, match="source named"):
        piped(WRITE_KEY, "--tenant", "acme", "--region", "eu", "--name", "Production")

    entry = AuditEntry.objects.get()
    assert (entry.tenant_id, entry.by, entry.by_label) == (tenant.pk, None, "Headwater")
    assert (entry.deed, entry.subject, entry.details) == ("connected", "Production", {"region": "eu"})


def test_connect_source_asks_at_a_terminal_without_echo(tenant, monkeypatch):
    """getpass itself would ask at the terminal of whoever runs the tests."""
    ours, theirs = os.openpty()
    asked, out = [], StringIO()

    def answer(prompt):
        asked.append(prompt)
        return WRITE_KEY

    monkeypatch.setattr("getpass.getpass", answer)
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        call_command("connect_source", "--tenant", "acme", "--region", "us", stdout=out)
    os.close(ours)

    assert asked == ["Write key: "]
    assert Source.objects.get().write_key.unseal().reveal() == WRITE_KEY
    assert WRITE_KEY not in out.getvalue()


def test_connect_source_prints_json_with_its_warnings(piped, tenant):
    out, err = piped("short-key", "--tenant", "acme", "--region", "us", "--json")

    row = WriteKey.objects.get()
    assert json.loads(out) == {
        "id": row.source_id,
        "tenant": "acme",
        "name": "Segment",
        "state": "connected",
        "region": "us",
        "write_key_last_four": "-key",
        "write_key_fingerprint": row.fingerprint,
        "warnings": ["Segment's write keys usually have 32 characters; this one has 9."],
    }
    assert err == ""


def test_connect_source_warns_of_an_odd_key(piped, tenant):
    _, err = piped("short-key", "--tenant", "acme", "--region", "us")

    assert err == "Warning: Segment's write keys usually have 32 characters; this one has 9. Check it in Segment.\n"


@pytest.mark.parametrize(
    ("text", "args", "why"),
    [
        (WRITE_KEY, ["--tenant", "nobody", "--region", "us"], "There is no tenant 'nobody'"),
        (WRITE_KEY, ["--tenant", "acme", "--region", "mars"], "invalid choice: 'mars' "),
        (WRITE_KEY, ["--tenant", "acme"], "the following arguments are required: --region"),
        (WRITE_KEY, ["--tenant", "acme", "--region", "us", "--name", " "], "--name: Give the source a name."),
        (WRITE_KEY, ["--tenant", "acme", "--region", "us", "--name", "Main"], "There is a source named “Main” already"),
        ("", ["--tenant", "acme", "--region", "us"], "Paste the write key"),
        (f"{WRITE_KEY}\n{WRITE_KEY}", ["--tenant", "acme", "--region", "us"], "no spaces or line breaks"),
        (WRITE_KEY * 1000, ["--tenant", "acme", "--region", "us"], "too long"),
    ],
)
def test_connect_source_refuses_clearly_and_does_nothing(piped, source, text, args, why):
    with pytest.raises(CommandError, match=why) as refusal:
        piped(text, *args)

    assert WRITE_KEY not in str(refusal.value)
    assert list(Source.objects.all()) == [source]


def test_connect_source_takes_no_key_as_an_argument(piped, tenant):
    with pytest.raises(CommandError, match="unrecognized arguments"):
        piped("", "--tenant", "acme", "--region", "us", WRITE_KEY)

import io
import json
import re

import pytest
from django.core.management import CommandError, call_command

from integrations.catalog.help_page import help_page
from integrations.catalog.markdown import plain


def run(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def headings(text):
    return re.findall(r"^#+ .*$", text, re.MULTILINE)


def test_source_page_has_the_sections_of_the_partner_template():
    text = run("source_page")
    assert text.startswith("---\ntitle: Headwater Source\n---\n\n[Headwater](https://headwater.example/?utm_source=")
    assert [each for each in headings(text) if each.startswith("## ")] == [
        "## Getting started",
        "## Stream",
        "## Events",
        "## Event Properties",
        "## Adding Destinations",
    ]
    assert "utm_source=segmentio&utm_medium=docs&utm_campaign=partners" in text
    assert "[write to the Headwater support team](mailto:support@headwater.example)" in text
    assert "go to **Integrations** > **Set up Segment** > **Connect a source**." in text
    assert "| Email Opened | The recipient opened the email. |\n" in text


def test_source_page_follows_the_settings(settings):
    settings.PRODUCT_NAME = "Acme Mail"
    settings.PRODUCT_DESCRIPTION = "Sends newsletters for small shops."
    settings.PRODUCT_URL = "https://acme-mail.com"
    settings.SUPPORT_EMAIL = "help@acme-mail.com"
    settings.INTEGRATION_SLUG = "acme-mail"
    settings.INTEGRATION_CATEGORY = "live-chat"
    text = run("source_page")
    assert "Headwater" not in text
    assert "?utm_source=segmentio&utm_medium=docs&utm_campaign=partners" in text
    facts = json.loads(run("source_page", "--json"))
    assert {name: facts[name] for name in ("display_name", "slug", "categories", "support_email", "regions")} == {
        "display_name": "Acme Mail",
        "slug": "acme-mail",
        "categories": ["Livechat"],
        "support_email": "help@acme-mail.com",
        "regions": ["us", "eu"],
    }
    assert facts["documentation"] == "src/connections/sources/catalog/cloud-apps/acme-mail/index.md"


def test_source_page_writes_files(tmp_path):
    page, facts = tmp_path / "index.md", tmp_path / "metadata.json"
    assert run("source_page", "--output", str(page), "--metadata", str(facts)) == ""
    assert page.read_text() == run("source_page")
    assert facts.read_text() == run("source_page", "--json")


def test_integration_page_is_the_help_page(tmp_path):
    text = run("integration_page")
    assert text == plain(help_page())
    assert headings(text)[0] == "# Send events from Headwater to Segment"
    file = tmp_path / "help.md"
    assert run("integration_page", "--output", str(file)) == ""
    assert file.read_text() == text


def test_troubleshooting_begins_with_the_likely_causes():
    causes = re.findall(
        r"^\d\. \*\*([^*]+)\*\*", run("integration_page").split("## When events do not arrive")[1], re.MULTILINE
    )
    assert causes == [
        "The write key is wrong.",
        "The region is wrong.",
        "The source is disabled in Segment.",
        "The source is paused here.",
        "Events are refused.",
        "Sending is held.",
    ]


@pytest.mark.parametrize("command", ["source_page", "integration_page"])
def test_file_that_cannot_be_written_is_named(tmp_path, command):
    with pytest.raises(CommandError, match="cannot be written: Is a directory"):
        run(command, "--output", str(tmp_path))

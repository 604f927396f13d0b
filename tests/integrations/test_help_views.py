import re
from collections.abc import Iterable
from html import unescape
from itertools import chain

import pytest
from django.urls import reverse

from integrations.catalog.blocks import Block, Points, Steps, Table
from integrations.catalog.help_page import help_page
from integrations.templatetags.catalog_text import marked


def page(tenant):
    return reverse("integrations:help", args=[tenant.slug])


def texts_of(block: Block) -> Iterable[str]:
    match block:
        case Table(headers, rows):
            return [*headers, *chain.from_iterable(rows)]
        case Steps(items) | Points(items):
            return items
        case _:
            return [block.text]


def words(markup):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


@pytest.mark.django_db
def test_help_page_shows_the_whole_document_to_every_member(tenant, viewer_client):
    response = viewer_client.get(page(tenant))
    assert response.status_code == 200
    shown = words(response.content.decode())
    for block in help_page().blocks:
        for text in texts_of(block):
            assert words(marked(text)) in shown


@pytest.mark.django_db
def test_help_page_is_linked_and_closed_to_strangers(tenant, viewer_client, stranger_client, client):
    segment = reverse("integrations:segment", args=[tenant.slug])
    assert page(tenant) in viewer_client.get(segment).content.decode()
    assert stranger_client.get(page(tenant)).status_code == 404
    assert client.get(page(tenant)).status_code == 302


@pytest.mark.django_db
def test_help_page_asks_little_of_the_database(tenant, viewer_client, django_assert_num_queries):
    # Session, user, membership, and the menu of tenants.
    with django_assert_num_queries(4):
        viewer_client.get(page(tenant))


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("a `b_c` d", "a <code>b_c</code> d"),
        ("**go** > now", "<strong>go</strong> &gt; now"),
        ("[us](mailto:a@b.test)", '<a href="mailto:a@b.test">us</a>'),
        ("[x](javascript:alert)", "[x](javascript:alert)"),
        ("<b> `<b>` [<u>](/a)", '&lt;b&gt; <code>&lt;b&gt;</code> <a href="/a">&lt;u&gt;</a>'),
    ],
)
def test_marks_become_html_and_nothing_else_does(text, markup):
    assert marked(text) == markup

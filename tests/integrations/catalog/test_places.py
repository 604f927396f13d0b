"""The menus and buttons that the documents name are those of the real pages."""

import re
from html import unescape

import pytest
from django.urls import reverse

from delivery.outbox import capture
from integrations.catalog import places
from integrations.forms import ConnectForm
from integrations.services import pause_source


def links(text):
    """Words of each link and form button of a page, with where it leads."""
    found = re.findall(r'<a [^>]*href="([^"]+)"[^>]*>(.*?)</a>', text, re.DOTALL)
    found += re.findall(r'<form [^>]*action="([^"]+)"[^>]*>.*?<button[^>]*>(.*?)</button>', text, re.DOTALL)
    return {(re.sub(r"<[^>]+>|\s+", " ", words).strip(), to) for to, words in found}


@pytest.mark.django_db
def test_each_place_of_the_way_is_a_link_on_the_page_of_the_one_before(source, owner_client):
    slug = source.tenant.slug
    pages = ["tenants:overview", *(place.url_name for place in places.WAY)]
    for page, place in zip(pages, places.WAY, strict=False):
        text = owner_client.get(reverse(page, args=[slug])).content.decode()
        assert (place.label, reverse(place.url_name, args=[slug])) in links(text)


@pytest.mark.django_db
def test_form_has_the_fields_and_the_button(tenant, owner_client):
    text = unescape(owner_client.get(reverse(places.WAY[-1].url_name, args=[tenant.slug])).content.decode())
    for name in ConnectForm.field_order:
        assert re.search(f"<(label|legend)[^>]*>{places.field_label(name)}<", text)
    assert f'type="submit">{places.CONNECT_BUTTON}</button>' in text


@pytest.mark.django_db
def test_page_of_a_source_has_the_places_of_the_troubleshooting(source, owner_client):
    pause_source(source)
    text = owner_client.get(reverse("integrations:source", args=[source.tenant.slug, source.pk])).content.decode()
    for place in (places.REPLACE_KEY, places.CHANGE_REGION, places.RESUME, places.EVENTS_AS_THEY_COME):
        assert (place.label, reverse(place.url_name, args=[source.tenant.slug, source.pk])) in links(text)


@pytest.mark.django_db
def test_page_of_the_check_has_the_places_of_the_test_event(source, owner_client):
    page = owner_client.get(reverse("integrations:check", args=[source.tenant.slug, source.pk])).content.decode()
    for button in (places.SEND_TEST_BUTTON, places.CONFIRM_BUTTON):
        assert f'type="submit">{button}</button>' in page
    not_showing = reverse(places.NOT_SHOWING.url_name, args=[source.tenant.slug, source.pk])
    assert (places.NOT_SHOWING.label, not_showing) in links(page)


@pytest.mark.django_db
def test_delivery_page_leads_to_what_was_refused(source, owner_client):
    capture(source.tenant_id, {"type": "track"})
    address = reverse(places.EVENTS_AS_THEY_COME.url_name, args=[source.tenant.slug, source.pk])
    refused = reverse("delivery:refusals", args=[source.tenant.slug, source.pk])
    assert (places.REFUSED, refused) in links(owner_client.get(address).content.decode())

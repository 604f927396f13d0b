"""The sources of a company on its overview: a line for each, those in trouble first, and a sum of many."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery import lanes
from delivery.board import Place
from delivery.enums import Hold
from delivery.models import Lane
from delivery.outbox import capture
from delivery.pages.glance import LINES, glance_at
from delivery.pages.standing import Kind
from integrations.enums import Region
from integrations.models import Source
from integrations.services import pause_source
from tenants.scoping import scope
from tests.conftest import OTHER_WRITE_KEY, make_source

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_scope(tenant):
    with scope(tenant.pk):
        yield


def add(tenant, count):
    Source.objects.bulk_create(Source(tenant=tenant, name=f"more-{n}", region=Region.US) for n in range(count))


def words(client):
    """The text of the sources on the overview."""
    page = client.get("/t/acme/").content.decode()
    start = page.index('id="sources-title"')
    return " ".join(page[start : page.index("</section>", start)].split())


def test_glance_has_a_line_for_each_source_of_the_company_the_held_first(tenant, source, other_source):
    held = make_source(tenant, OTHER_WRITE_KEY, name="Held")
    lanes.hold(held.pk, Hold.KEY_REFUSED, "Paste the key.")
    found = glance_at(tenant.pk)
    assert [(line.pk, standing.kind) for line, standing in found.lines] == [
        (held.pk, Kind.HELD),
        (source.pk, Kind.NEVER_USED),
    ]
    assert found.counts == {Place.HELD: 1, Place.UNVERIFIED: 1}


def test_glance_of_a_company_without_sources_is_empty(tenant, other_source, owner_client):
    found = glance_at(tenant.pk)
    assert (found.lines, found.counts, found.count) == ([], {}, 0)
    assert 'id="sources-title"' not in owner_client.get("/t/acme/").content.decode()


def test_each_line_has_the_numbers_of_its_own_source(tenant, source, call):
    paused = make_source(tenant, OTHER_WRITE_KEY, name="Paused")
    pause_source(paused)
    capture(tenant.pk, call)
    capture(tenant.pk, call, sources=[paused])
    waiting = {line.name: standing.waiting for line, standing in glance_at(tenant.pk).lines}
    assert waiting == {source.name: 1, "Paused": 2}


def test_overview_tells_of_each_source_in_a_sentence(viewer_client, tenant, source, call):
    pause_source(source)
    capture(tenant.pk, call, sources=[source])
    capture(tenant.pk, {**call, "userId": None}, sources=[source])
    told = words(viewer_client)
    assert f'<a href="/t/acme/integrations/segment/{source.pk}/">{source.name}</a>' in told
    assert "Events are captured and not sent; 1 event is kept. 1 event was refused in the last 24 hours." in told
    assert "All " not in told


def test_overview_calls_a_source_unverified_once_until_somebody_has_seen_an_event_arrive(viewer_client, source):
    lanes.ensure(source.pk)
    Lane.objects.update(last_accepted_at=timezone.now(), accepted_version=source.version)
    told = words(viewer_client)
    assert told.count("Unverified") == 1
    assert "Segment answers “accepted”, last" in told
    Source.objects.update(confirmed_version=source.version)
    assert '<span class="badge badge--ok">Working</span> Last event accepted' in words(viewer_client)


def test_overview_sums_up_many_sources(viewer_client, tenant, source):
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Paste the key.")
    add(tenant, 1_200)
    told = words(viewer_client)
    assert told.count("<li> <p>") == LINES
    assert told.index(source.name) < told.index("more-0")
    assert "<strong>1</strong> held" in told
    assert "<strong>1,200</strong> unverified" in told
    assert '<a href="/t/acme/integrations/segment/">All 1,201 sources</a>' in told


def test_glance_costs_as_many_queries_for_many(tenant, source):
    with CaptureQueriesContext(connection) as few:
        glance_at(tenant.pk)
    add(tenant, 30)
    with CaptureQueriesContext(connection) as many:
        glance_at(tenant.pk)
    assert (len(few), len(many)) == (3, 3)

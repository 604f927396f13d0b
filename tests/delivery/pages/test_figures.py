from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from delivery.batching import new_batch
from delivery.choosing import close
from delivery.enums import BatchState
from delivery.models import Batch, Refusal
from delivery.outbox import capture
from delivery.pages import figures
from delivery.pages.figures import BAR_AREA, SPANS, Chart, charts_of


@pytest.fixture
def ended(source):
    def make(count, seconds_ago, state=BatchState.ACCEPTED, **given):
        batch = new_batch(source.pk, source.tenant_id, range(1_000, 1_000 + count), 40, **given)
        close(batch, state, "")
        Batch.objects.filter(pk=batch.pk).update(closed_at=timezone.now() - timedelta(seconds=seconds_ago))

    return make


def totals(source):
    return [(chart.total_accepted, chart.total_refused) for chart in charts_of(source)]


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_charts_count_the_last_hour_day_and_week(source, other_source, ended, call):
    ended(1, 10)
    ended(2, 3_500)
    ended(4, 3_700)
    ended(8, 86_300)
    ended(16, 6 * 86_400)
    ended(32, 8 * 86_400)
    ended(64, 10, BatchState.SET_ASIDE)
    ended(128, 10, again=True)
    for seconds_ago in (10, 7_200):
        capture(source.tenant_id, {**call, "userId": None})
        Refusal.objects.filter(pk=Refusal.objects.latest("pk").pk).update(
            refused_at=timezone.now() - timedelta(seconds=seconds_ago)
        )
    assert totals(source) == [(3, 1), (15, 2), (31, 2)]
    assert totals(other_source) == [(0, 0)] * 3


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_charts_go_from_the_oldest_to_the_newest(source, ended):
    ended(1, 10)
    ended(2, 3_500)
    (hour, _day, week) = charts_of(source)
    assert hour.accepted == [2, *[0] * 10, 1]
    assert week.accepted == [0] * 6 + [3]


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_charts_stop_counting_refusals_at_many_and_say_so(source, call, monkeypatch):
    monkeypatch.setattr(figures, "MOST_REFUSED", 3)
    for told, counted in (("<strong>2</strong> refused", 2), ("at least <strong>3</strong> refused", 3)):
        for _ in range(2):
            capture(source.tenant_id, {**call, "userId": None})
        charts = charts_of(source)
        assert [chart.total_refused for chart in charts] == [counted] * 3
        assert told in render_to_string("delivery/chart.html", {"chart": charts[0]})


@pytest.mark.django_db
def test_charts_are_one_query(source, django_assert_num_queries):
    with django_assert_num_queries(1):
        charts_of(source)


def test_bars_are_as_high_as_their_counts():
    chart = Chart(SPANS[2], [0, 50, 100, 0, 0, 0, 0], [0, 0, 0, 25, 0, 0, 0])
    heights = [(bar.accepted_height, bar.refused_height) for bar in chart.bars]
    assert heights == [(0, 0), (24, 0), (48, 0), (0, 12), (0, 0), (0, 0), (0, 0)]
    assert [bar.x for bar in chart.bars] == [0, 10, 20, 30, 40, 50, 60]
    assert chart.width == 68


def test_a_single_refused_event_among_many_is_seen_and_stays_within():
    bar = Chart(SPANS[2], [1_000_000] + [0] * 6, [1] + [0] * 6).bars[0]
    assert bar.refused_height == 2
    assert bar.accepted_height + bar.refused_height == BAR_AREA
    assert bar.refused_y == 0

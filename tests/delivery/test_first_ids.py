from datetime import UTC, datetime, timedelta

import pytest

from delivery.first_ids import begin_of, end_of
from delivery.models import Event
from tests.delivery.test_admin import make_event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def capture_hourly(source, hours):
    """An event at each of these hours, in the order of their ids."""
    return [make_event(source, captured_at=BEGIN + timedelta(hours=hour)).pk for hour in hours]


@pytest.mark.parametrize("asked", range(-3, 24))
def test_what_was_captured_in_a_span_lies_between_its_ids(source, other_source, asked):
    """Also where two captures got their ids in the other order."""
    capture_hourly(source, [0, 1, 2, 4, 3, 5, 9, 8, 10, 19, 20])
    capture_hourly(other_source, [30])
    since, until = BEGIN + timedelta(hours=asked), BEGIN + timedelta(hours=asked + 2)
    begin, end = begin_of(source.pk, since), end_of(source.pk, until)
    then = set(Event.objects.filter(source=source, captured_at__gte=since, captured_at__lt=until).values_list("pk"))
    between = set(Event.objects.filter(source=source, pk__gte=begin, pk__lt=end).values_list("pk"))
    assert then <= between


def test_ids_narrow_the_log_to_an_hour_around_the_span(source):
    ids = capture_hourly(source, range(10))
    assert begin_of(source.pk, BEGIN + timedelta(hours=5)) in range(ids[3] + 1, ids[4] + 1)
    assert end_of(source.pk, BEGIN + timedelta(hours=6)) in range(ids[6] + 1, ids[7] + 1)


def test_source_without_events_has_no_ids(source):
    assert (begin_of(source.pk, BEGIN), end_of(source.pk, BEGIN)) == (0, 0)


def test_a_time_before_and_one_after_all_events(source):
    ids = capture_hourly(source, range(3))
    assert begin_of(source.pk, BEGIN - timedelta(days=9)) <= ids[0]
    assert begin_of(source.pk, BEGIN + timedelta(days=9)) == end_of(source.pk, BEGIN + timedelta(days=9)) == ids[-1] + 1

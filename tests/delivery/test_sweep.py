import pytest

from delivery import lanes, sweep
from delivery.batching import new_batch
from delivery.enums import BatchState, Hold
from delivery.models import Batch, Lane
from delivery.outbox import capture
from delivery.redis_link import ask
from delivery.sweep import due
from delivery.tasks import sweep as sweep_task
from integrations.enums import Region
from integrations.services import disconnect_source, pause_source, resume_source
from tests.conftest import OTHER_WRITE_KEY, make_source
from tests.delivery.hinting import forget_hints, hints

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]
LATER, EARLIER = "2999-01-01T00:00Z", "2026-01-01T00:00Z"


@pytest.fixture
def waiting(source, call):
    """A source with one pending event."""
    capture(source.tenant_id, call)
    forget_hints()
    return source


@pytest.fixture
def opened(source):
    """A source with one open batch."""
    new_batch(source.pk, source.tenant_id, [1], 40)
    forget_hints()
    return source


def test_due_finds_pending_events(waiting):
    assert due() == [(waiting.pk, "us", False)]


def test_due_finds_a_lane_that_was_never_made(waiting):
    Lane.objects.all().delete()
    assert due() == [(waiting.pk, "us", False)]


def test_due_finds_open_batches(opened):
    assert due() == [(opened.pk, "us", False)]


def test_due_finds_nothing_in_an_idle_source(source):
    assert due() == []


@pytest.mark.parametrize(
    ("columns", "is_due"),
    [
        ({"not_before": LATER}, False),
        ({"not_before": EARLIER}, True),
        ({"leased_until": LATER}, False),
        ({"leased_until": EARLIER}, True),
        ({"hold": Hold.KEY_REFUSED, "held_at": EARLIER}, False),
    ],
)
def test_due_respects_the_lane(waiting, columns, is_due):
    Lane.objects.update(**columns)
    assert bool(due()) == is_due


@pytest.mark.parametrize(
    ("columns", "is_due"),
    [
        ({"not_before": LATER}, False),
        ({"not_before": EARLIER}, True),
        ({"state": BatchState.ACCEPTED, "closed_at": EARLIER}, False),
        ({"state": BatchState.SET_ASIDE, "closed_at": EARLIER}, False),
    ],
)
def test_due_respects_the_batch(opened, columns, is_due):
    Batch.objects.update(**columns)
    assert bool(due()) == is_due


def test_due_leaves_out_paused_and_disconnected_sources(waiting):
    pause_source(waiting)
    assert due() == []
    resume_source(waiting)
    assert due() == [(waiting.pk, "us", False)]
    disconnect_source(waiting)
    assert due() == []


def test_due_of_some_sources_looks_at_no_other(waiting, other_source, call):
    capture(other_source.tenant_id, call)
    assert due([waiting.pk]) == [(waiting.pk, "us", False)]
    assert due([]) == []


def test_due_is_one_query_for_any_number(waiting, tenant, call, django_assert_num_queries):
    for number in range(3):
        make_source(tenant, OTHER_WRITE_KEY, name=f"Source {number}")
    capture(tenant.pk, call)
    with django_assert_num_queries(1):
        assert len(due()) == 4


def test_sweep_sends_hints_to_the_regions_and_ignores_flags(waiting, tenant, call):
    european = make_source(tenant, OTHER_WRITE_KEY, Region.EU, "Second")
    capture(tenant.pk, call)
    assert sweep.sweep() == 2
    assert (hints("us"), hints("eu")) == ([[waiting.pk]], [[european.pk]])
    sweep.sweep()
    assert (hints("us"), hints("eu")) == ([[waiting.pk]] * 2, [[european.pk]] * 2)


def test_sweep_gives_a_lane_that_failed_a_task_of_its_own(waiting, tenant, call):
    others = [make_source(tenant, OTHER_WRITE_KEY, name=f"Source {number}") for number in range(3)]
    capture(tenant.pk, call)
    Lane.objects.filter(pk=others[1].pk).update(failures=1)
    sweep.sweep()
    assert hints("us") == [[others[1].pk], [waiting.pk, others[0].pk, others[2].pk]]


def test_sweep_puts_many_lanes_in_a_hint(waiting, tenant, call, monkeypatch):
    monkeypatch.setattr(sweep, "LANES_PER_HINT", 2)
    others = [make_source(tenant, OTHER_WRITE_KEY, name=f"Source {number}") for number in range(2)]
    capture(tenant.pk, call, sources=others)
    forget_hints()
    sweep.sweep()
    assert hints("us") == [[waiting.pk, others[0].pk], [others[1].pk]]


def test_sweep_adds_nothing_to_a_queue_that_is_full(waiting, monkeypatch):
    monkeypatch.setattr(sweep, "QUEUED_TURNS", 2)
    for _ in range(5):
        sweep.sweep()
    assert len(hints("us")) == 2


def test_sweep_task_runs_once_in_half_a_second(waiting, monkeypatch):
    monkeypatch.setattr("delivery.tasks.SWEEP_MILLISECONDS", 60_000)
    for _ in range(3):
        sweep_task()
    assert len(hints("us")) == 1


def test_sweep_task_runs_though_redis_was_asked_for_it_before_its_clock_was_set_back(waiting, monkeypatch):
    monkeypatch.setattr("delivery.tasks.SWEEP_MILLISECONDS", 60_000)
    ask(lambda redis: redis.set("headwater:sweep", 1, px=3_600_000))
    for _ in range(3):
        sweep_task()
    assert len(hints("us")) == 1


def test_sweep_leaves_a_lane_at_work_alone(waiting):
    lanes.lease(waiting.pk)
    assert sweep.sweep() == 0
    assert hints("us") == []

"""What the workers are asked for. A task names lanes and nothing else; losing one, or running it often, is harmless."""

from contextlib import suppress
from typing import Any

from celery import Task, shared_task
from django.contrib.sessions.backends.db import SessionStore
from redis import Redis

from delivery import erasure, partitions, retention, set_back
from delivery import sweep as sweeping
from delivery.alerts import keeping, mailing
from delivery.errors import RedisUnavailableError
from delivery.redis_link import ask
from delivery.shadow import finish_all
from delivery.shares import take_turn_of
from tenants import erasure as erasures
from tenants.exports import making

SWEEP_MILLISECONDS = 500
"""Sweeps that come closer together are one: several beats, or a queue of them after the workers were away."""
EXPORTING = "headwater:export"
EXPORT_MILLISECONDS = 15_000
"""Longer than a run (tenants/exports/making.py): after a worker that died so long passes until the next one."""


@shared_task(name="delivery.tasks.turn", bind=True)
def turn(self: "Task[Any, Any]", source_ids: list[int]) -> None:
    """The queue that it came through is the region's."""
    region = (self.request.delivery_info or {}).get("routing_key")
    take_turn_of(region or "", source_ids)


@shared_task(name="delivery.tasks.sweep")
def sweep() -> None:
    if _is_first("headwater:sweep", SWEEP_MILLISECONDS):
        sweeping.sweep()


@shared_task(name="delivery.tasks.keep_partitions_ahead")
def keep_partitions_ahead() -> None:
    partitions.keep_ahead()


@shared_task(name="delivery.tasks.bring_back")
def bring_back() -> None:
    set_back.bring_back()


@shared_task(name="delivery.tasks.keep_retention")
def keep_retention() -> None:
    retention.run()


@shared_task(name="delivery.tasks.erase")
def erase() -> None:
    erasures.run()


@shared_task(name="delivery.tasks.erase_orphans")
def erase_orphans() -> None:
    erasure.erase_orphans()


@shared_task(name="delivery.tasks.clear_sessions")
def clear_sessions() -> None:
    """Django leaves those that are over where they are."""
    SessionStore.clear_expired()


@shared_task(name="delivery.tasks.keep_alerts")
def keep_alerts() -> None:
    keeping.run()


@shared_task(name=mailing.SEND)
def send_alerts() -> None:
    mailing.send_due_alone()


@shared_task(name="delivery.tasks.finish_going_live")
def finish_going_live() -> None:
    finish_all()


@shared_task(name="delivery.tasks.export")
def export() -> None:
    """One at a time: an export reads as fast as the database gives, and turns need their slots."""
    if not _is_first(EXPORTING, EXPORT_MILLISECONDS):
        return
    try:
        making.run()
    finally:
        with suppress(RedisUnavailableError):
            ask(lambda redis: redis.delete(EXPORTING))


def _is_first(name: str, milliseconds: int) -> bool:
    """Whether nobody had this flag in that time. Without Redis everybody is the first."""

    def first(redis: Redis) -> bool:
        if redis.set(name, 1, nx=True, px=milliseconds):
            return True
        # One that lasts longer than any is from before Redis' clock was set back, and would last as long.
        return redis.pttl(name) > milliseconds and bool(redis.set(name, 1, px=milliseconds))

    try:
        return ask(first)
    except RedisUnavailableError:
        return True

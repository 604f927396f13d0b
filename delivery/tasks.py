"""What the workers are asked for. A task names lanes and nothing else; losing one, or running it often, is harmless."""

from typing import Any

from celery import Task, shared_task
from redis import Redis

from delivery import erasure, partitions, retention
from delivery import sweep as sweeping
from delivery.alerts import keeping, mailing
from delivery.errors import RedisUnavailableError
from delivery.redis_link import ask
from delivery.shadow import finish_all
from delivery.shares import take_turn_of
from tenants import erasure as erasures

SWEEP_MILLISECONDS = 500
"""Sweeps that come closer together are one: several beats, or a queue of them after the workers were away."""


@shared_task(name="delivery.tasks.turn", bind=True)
def turn(self: "Task[Any, Any]", source_ids: list[int]) -> None:
    """The queue that it came through is the region's."""
    region = (self.request.delivery_info or {}).get("routing_key")
    take_turn_of(region or "", source_ids)


@shared_task(name="delivery.tasks.sweep")
def sweep() -> None:
    if _is_time():
        sweeping.sweep()


@shared_task(name="delivery.tasks.keep_partitions_ahead")
def keep_partitions_ahead() -> None:
    partitions.keep_ahead()


@shared_task(name="delivery.tasks.keep_retention")
def keep_retention() -> None:
    retention.run()


@shared_task(name="delivery.tasks.erase")
def erase() -> None:
    erasures.run()


@shared_task(name="delivery.tasks.erase_orphans")
def erase_orphans() -> None:
    erasure.erase_orphans()


@shared_task(name="delivery.tasks.keep_alerts")
def keep_alerts() -> None:
    keeping.run()


@shared_task(name=mailing.SEND)
def send_alerts() -> None:
    mailing.send_due_alone()


@shared_task(name="delivery.tasks.finish_going_live")
def finish_going_live() -> None:
    finish_all()


def _is_time() -> bool:
    def first(redis: Redis) -> bool:
        return bool(redis.set("headwater:sweep", 1, nx=True, px=SWEEP_MILLISECONDS))

    try:
        return ask(first)
    except RedisUnavailableError:
        return True

"""What the workers are asked for. A task names lanes and nothing else; losing one, or running it often, is harmless."""

from celery import shared_task
from redis import Redis

from delivery import sweep as sweeping
from delivery.errors import RedisUnavailableError
from delivery.redis_link import ask
from delivery.turn import take_turn

SWEEP_MILLISECONDS = 500
"""Sweeps that come closer together are one: several beats, or a queue of them after the workers were away."""


@shared_task(name="delivery.tasks.turn")
def turn(source_ids: list[int]) -> None:
    take_turn(source_ids)


@shared_task(name="delivery.tasks.sweep")
def sweep() -> None:
    if _is_time():
        sweeping.sweep()


def _is_time() -> bool:
    def first(redis: Redis) -> bool:
        return bool(redis.set("headwater:sweep", 1, nx=True, px=SWEEP_MILLISECONDS))

    try:
        return ask(first)
    except RedisUnavailableError:
        return True

"""What was sent to the workers' queues. A thread carries the hints: it is waited for first."""

import base64
import json

from delivery.redis_link import ask
from delivery.wake import courier
from tests.emptying import empty_redis


def hints(queue):
    """What was sent to a queue, oldest first, as lists of source ids."""
    assert courier.is_done(10)
    messages = ask(lambda redis: redis.lrange(queue, 0, -1))
    bodies = [json.loads(base64.b64decode(json.loads(message)["body"])) for message in reversed(messages)]
    return [args[0] for args, _kwargs, _embed in bodies]


def forget_hints():
    assert courier.is_done(10)
    empty_redis()

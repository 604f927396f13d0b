"""Work that beat's tasks do for many tenants in a limited time."""

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def time_shares(waiting: Sequence[T], until: float) -> Iterator[tuple[T, float]]:
    """Each with the moment, by `time.monotonic()`, at which it gives way to the next.

    What is left until then is shared by those that are left: a large one must not keep the others waiting.
    """
    for number, each in enumerate(waiting):
        now = time.monotonic()
        yield each, now + (until - now) / (len(waiting) - number)

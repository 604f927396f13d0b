import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(read: Callable[[], T], accept: Callable[[T], bool] = bool, seconds: float = 30) -> T:
    """Read until the value is accepted; give the last one back either way, for an assertion to show."""
    deadline = time.monotonic() + seconds
    while not accept(value := read()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value

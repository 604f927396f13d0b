from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Measured:
    """What a row gives back: its number, whether the bar holds, and the raw numbers of both sides."""

    value: float
    holds: bool
    detail: dict[str, float] = field(default_factory=dict)


class BenchmarkError(Exception):
    """A row could not be measured; the message is a sentence that says why."""

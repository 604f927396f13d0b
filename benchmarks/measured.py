from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Measured:
    """What a row gives back: its number, whether the bar holds, and the raw numbers of both sides.

    `of` names what the number is of, where a row measures many.
    """

    value: float
    holds: bool
    detail: dict[str, float] = field(default_factory=dict)
    of: str = ""


class BenchmarkError(Exception):
    """A row could not be measured; the message is a sentence that says why."""

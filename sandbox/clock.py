from datetime import UTC, datetime, timedelta


class Clock:
    """The stand-in's own time. A test moves it forward to see the deduplication window end."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)

    def reset(self) -> None:
        self.ahead = timedelta()


def parse_time(text: object) -> datetime | None:
    """An ISO-8601 time with a zone, else None."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None

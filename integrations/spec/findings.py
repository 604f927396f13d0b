from dataclasses import asdict, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error never leaves; a warning is sent and shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the linter found.

    `code` is stable and made for programs (`user_id_not_string`), `path` points into the call (`properties.revenue`),
    `message` says what is wrong and `remedy` what to do, both as plain sentences.
    """

    severity: Severity
    code: str
    path: str
    message: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)

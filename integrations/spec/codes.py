"""The codes that findings carry. Each is declared beside its rule; docs/spec.md lists them all."""

from dataclasses import dataclass

from integrations.spec.findings import Finding, Severity

SHOWN_CHARACTERS = 60
"""How much of a name or value a message repeats."""


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of finding: `meaning` is its line in docs/spec.md, `remedy` what to do unless the rule knows better."""

    name: str
    severity: Severity
    meaning: str
    remedy: str

    def at(self, path: str, message: str, remedy: str = "") -> Finding:
        return Finding(self.severity, self.name, path, message, remedy or self.remedy)


CODES: dict[str, Code] = {}


def error(name: str, meaning: str, remedy: str) -> Code:
    """Declare a code for what must not leave: Segment rejects or discards it, or it breaks a rule for partners."""
    return _declare(Code(name, Severity.ERROR, meaning, remedy))


def warning(name: str, meaning: str, remedy: str) -> Code:
    """Declare a code for what is sent, and shown as questionable."""
    return _declare(Code(name, Severity.WARNING, meaning, remedy))


def _declare(code: Code) -> Code:
    if code.name in CODES:
        raise ValueError(f"The code {code.name} is declared twice.")
    CODES[code.name] = code
    return code


def shown(value: object) -> str:
    """`value` for a message or a path: short, and free of characters that cannot be printed or stored."""
    text = value if isinstance(value, str) else type(value).__name__
    if len(text) <= SHOWN_CHARACTERS and text.isprintable():
        return text
    safe = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in text[: SHOWN_CHARACTERS + 1]
    )
    return safe if len(safe) <= SHOWN_CHARACTERS else f"{safe[:SHOWN_CHARACTERS]}…"

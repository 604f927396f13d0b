"""An activity made up from the type hints of its class: a mapping shows what it sends, and nothing happens.

Every field is filled, or, `sparse`, every field that may be None is.
"""

import inspect
import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from integrations.mappings.registry import Mapping

_MOMENT: Final = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
_PLAIN: Final[dict[Any, Any]] = {
    int: 7,
    float: 12.5,
    bool: True,
    Decimal: Decimal("12.5"),
    datetime: _MOMENT,
    date: _MOMENT.date(),
    Any: "example",
}
_TEXTS: Final = {
    "campaign_id": "campaign-7",
    "campaign_name": "Spring news",
    "currency": "EUR",
    "email": "ada@example.com",
    "email_id": "email-19",
    "email_subject": "What is new this spring",
    "ip": "203.0.113.7",
    "link_id": "link-2",
    "link_url": "https://example.com/spring",
    "list_id": "list-3",
    "list_name": "Monthly news",
    "tool_id": "person-311",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "user_id": "customer-0815",
}
"""What stands in the documents' examples; any other text is made from its field's name."""


class SpecimenError(Exception):
    """There is no telling what activity a mapping takes."""


def specimen(mapping: Mapping, *, sparse: bool = False) -> Any:
    """Raises SpecimenError when the function's parameter is no dataclass of plain values."""
    parameter = next(iter(inspect.signature(mapping.build).parameters), "")
    kind = _hints(mapping.build).get(parameter)
    if not is_dataclass(kind):
        raise SpecimenError(f"The parameter of {mapping.name} is not annotated with a dataclass.")
    return _value(parameter, kind, sparse=sparse)


def _value(name: str, kind: Any, *, sparse: bool) -> Any:
    options = get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)
    if types.NoneType in options and sparse:
        return None
    known = next(option for option in options if option is not types.NoneType)
    if known is str:
        return _TEXTS.get(name, f"{name.replace('_', '-')}-1")
    if known in _PLAIN:
        return _PLAIN[known]
    if is_dataclass(known) and isinstance(known, type):
        hints = _hints(known)
        return known(**{each.name: _value(each.name, hints[each.name], sparse=sparse) for each in fields(known)})
    if inspect.isclass(known) and issubclass(known, Enum):
        return next(iter(known))
    raise SpecimenError(f"No example can be made for {name}, of the type {kind}.")


def _hints(of: Callable[..., Any] | type) -> dict[str, Any]:
    try:
        return get_type_hints(of)
    except (NameError, TypeError) as error:
        raise SpecimenError(f"The type hints of {of.__qualname__} cannot be read: {error}.") from None

"""What an export has in it: each app answers `exporting` with its parts, one file each.

A part says which rows it has by a query set, and which of their fields by name: what is not named is not exported, so
that no key or digest is by chance. Rows are read a few at a time, by their primary key: no cursor and no transaction
stays open for the length of an export.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet
from django.dispatch import Signal

exporting = Signal()
"""All data of `tenant` (Tenant) is to be exported; its scope is active. A receiver answers its parts: list[Part]."""

Row = dict[str, Any]
Place = list[Any]
"""Where a part goes on, as JSON: group and primary key of the last row that was read. Empty at its beginning."""
Read = Callable[[Place], tuple[Sequence[Row], Place]]

ROWS_AT_ONCE: Final = 1_000
"""With events of 32 KB, the largest, that is 32 MB."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of an export, a JSON object on each line: `read` gives the next rows, none at the end, and the place.

    `name` is the file's without its ending, `about` a sentence for who opens it.
    """

    name: str
    about: str
    model: type[Model]
    count: Callable[[], int]
    read: Read

    def with_more(self, add: Callable[[Sequence[Row]], None]) -> "Part":
        """The same, with something added to the rows that were read at once, which are of one group."""

        def read(place: Place) -> tuple[Sequence[Row], Place]:
            rows, reached = self.read(place)
            add(rows)
            return rows, reached

        return replace(self, read=read)


def part_of(
    name: str, about: str, rows: QuerySet[Any], *fields: str, by: str, groups: Sequence[int], **renamed: str
) -> Part:
    """A part with these fields of the rows; `renamed` are given another name than the field's.

    Only rows whose field `by` is one of the groups, which rise, group after group: a field that the table has an index
    of, so that nobody else's rows are looked at.
    """
    columns = {field: field for field in fields} | renamed

    def next_of(group: int, after: Any) -> list[Any]:
        found = rows.filter(**{by: group} | ({"pk__gt": after} if after else {}))
        return list(found.order_by("pk").values_list("pk", *columns.values())[:ROWS_AT_ONCE])

    def read(place: Place) -> tuple[Sequence[Row], Place]:
        current, after = place or (0, None)
        for group in groups:
            if group < current:
                continue
            if found := next_of(group, after if group == current else None):
                return [dict(zip(columns, row, strict=True)) for _, *row in found], [group, str(found[-1][0])]
        return [], place

    return Part(name, about, rows.model, lambda: rows.filter(**{f"{by}__in": groups}).count(), read)


def lines_of(rows: Sequence[Row]) -> bytes:
    """Raises TypeError for what is not meant for people, such as bytes."""
    return b"".join(map(_line, rows))


def _line(row: Row) -> bytes:
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:
        # A whole number beyond 64 bits, in a trait that Segment sent.
        return json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False).encode() + b"\n"

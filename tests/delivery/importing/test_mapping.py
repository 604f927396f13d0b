import tomllib

import pytest

from delivery.importing.errors import MappingError, RowError
from delivery.importing.mapping import EXAMPLE, parse_mapping, read_mapping


def mapping_of(text: str):
    return parse_mapping(tomllib.loads(text), text.encode())


def converted(options: str, cell: str):
    mapping = mapping_of(f'[columns]\nx = {{ to = "userId", {options} }}')
    return mapping.bound(["x"])([cell])


def test_mapping_makes_calls_of_rows():
    call_of = mapping_of(EXAMPLE).bound(["placed", "customer", "total", "number", "unused"])
    assert call_of(["31.01.2026 10:30", "c-1", "12.50", "A7", "-"]) == {
        "type": "track",
        "event": "Order Completed",
        "userId": "c-1",
        "timestamp": "2026-01-31T09:30:00.000Z",
        "properties": {"currency": "EUR", "order_id": "A7", "total": 12.5},
    }
    # Constants are not shared between calls, and empty cells say nothing.
    assert call_of(["31.07.2026 10:30", "c-2", "", "", ""]) == {
        "type": "track",
        "event": "Order Completed",
        "userId": "c-2",
        "timestamp": "2026-07-31T08:30:00.000Z",
        "properties": {"currency": "EUR"},
    }


@pytest.mark.parametrize(
    ("options", "cell", "value"),
    [
        ('type = "text"', " 7 ", " 7 "),
        ('type = "integer"', "007", 7),
        ('type = "number"', "-7", -7),
        ('type = "number"', "1e3", 1000.0),
        ('type = "boolean"', "Yes", True),
        ('type = "boolean"', "0", False),
        ('type = "json"', '{"a": [1]}', {"a": [1]}),
        ('type = "time"', "2026-01-31 09:30", "2026-01-31T09:30:00.000Z"),
        ('type = "time"', "2026-01-31T09:30:00+02:00", "2026-01-31T07:30:00.000Z"),
        ('type = "time", format = "unix"', "1769851800.5", "2026-01-31T09:30:00.500Z"),
        ('type = "time", format = "unix_ms"', "1769851800500", "2026-01-31T09:30:00.500Z"),
    ],
)
def test_mapping_converts_cells(options, cell, value):
    assert converted(options, cell) == {"userId": value}


@pytest.mark.parametrize(
    ("options", "cell", "code"),
    [
        ('type = "integer"', "7.5", "not_an_integer"),
        ('type = "number"', "1,5", "not_a_number"),
        ('type = "number"', "NaN", "not_a_number"),
        ('type = "boolean"', "maybe", "not_a_boolean"),
        ('type = "json"', "{", "cell_not_json"),
        ('type = "time"', "yesterday", "not_a_time"),
        ('type = "time", format = "unix"', "1e99", "not_a_time"),
    ],
)
def test_mapping_names_the_column_of_a_cell_that_does_not_convert(options, cell, code):
    with pytest.raises(RowError, match=r"^Column x: ") as caught:
        converted(options, cell)
    assert caught.value.code == code
    assert cell not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('columns = "x"', "names each column"),
        ("[columns]", "names each column"),
        ('[colums]\nx = "userId"', "A mapping has columns, constants, delimiter, and nothing else."),
        ('delimiter = ";;"\n[columns]\nx = "userId"', "one character"),
        ("[columns]\nx = 7", "Column x: write a field"),
        ('[columns]\nx = { type = "text" }', "Column x: write a field"),
        ('[columns]\nx = "properties."', "is no field"),
        ('[columns]\nx = { to = "userId", type = "date" }', "the type is one of"),
        ('[columns]\nx = { to = "userId", zone = "UTC" }', "go with time"),
        ('[columns]\nx = { to = "timestamp", type = "time", zone = "Mars" }', "'Mars' is no time zone"),
        ('[columns]\nx = "userId"\ny = "userId"', "Column y: userId has a value already"),
        ('[columns]\nx = "properties"\ny = "properties.a"', "Column y: properties.a has a value already"),
        ('[constants]\nuserId = "a"\n[columns]\nx = "userId"', "Column x: userId has a value already"),
    ],
)
def test_mapping_refuses_what_it_cannot_mean(text, message):
    with pytest.raises(MappingError, match=message):
        mapping_of(text)


def test_mapping_names_columns_that_the_file_lacks():
    with pytest.raises(MappingError, match=r"Line 1 has no column number, total. Its columns are: customer, placed."):
        mapping_of(EXAMPLE).bound(["customer", "placed"])


def test_mapping_is_read_from_toml_and_json(tmp_path):
    (tmp_path / "m.toml").write_text('[columns]\nx = "userId"\n')
    (tmp_path / "m.json").write_text('{"columns": {"x": "userId"}}')
    assert read_mapping(tmp_path / "m.toml").columns == read_mapping(tmp_path / "m.json").columns


@pytest.mark.parametrize(("name", "text"), [("m.toml", "[columns\n"), ("m.json", "{"), ("m.json", "[]")])
def test_mapping_that_cannot_be_read_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(MappingError, match="mapping"):
        read_mapping(tmp_path / name)


def test_mapping_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MappingError, match="cannot be read: No such file"):
        read_mapping(tmp_path / "m.toml")

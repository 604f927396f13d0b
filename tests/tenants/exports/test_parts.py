import json

import pytest
from django.utils import timezone

from tenants.exports.parts import lines_of


def test_lines_hold_numbers_of_any_size_and_no_bytes():
    at = timezone.now()
    assert [json.loads(line) for line in lines_of([{"n": 10**30}, {"at": at}]).splitlines()] == [
        {"n": 10**30}, {"at": at.isoformat().replace("+00:00", "Z")},
    ]  # fmt: skip
    with pytest.raises(TypeError):
        lines_of([{"digest": b"secret"}])

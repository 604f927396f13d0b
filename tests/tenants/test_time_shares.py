import time

import pytest

from tenants.time_shares import time_shares


def test_each_has_its_part_of_what_is_left_and_the_last_all_of_it():
    start = time.monotonic()
    first, second, last = time_shares("abc", start + 60)
    assert [each for each, _share in (first, second, last)] == ["a", "b", "c"]
    assert start + 20 <= first[1] < second[1] < last[1]
    assert last[1] == pytest.approx(start + 60)


def test_nothing_waits():
    assert list(time_shares([], time.monotonic() + 60)) == []

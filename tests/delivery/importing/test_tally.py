from contextlib import closing

from delivery.importing.tally import Month, Tally
from delivery.preparing import Prepared, prepare
from tests.delivery.importing.conftest import row


def counted(*calls):
    with closing(Tally()) as tally:
        for call in calls:
            prepared = prepare(call)
            assert isinstance(prepared, Prepared)
            tally.add([(call, prepared)])
        return tally.months()


def test_tally_counts_users_once_a_month_and_once_in_all():
    same = [row(1, userId="a"), row(1, userId="a"), row(1, userId="b"), row(2, userId="a")]
    assert counted(*same) == [Month("2025-02", 3, 2), Month("2025-03", 1, 1), Month("all", 4, 2)]


def test_tally_counts_an_anonymous_id_unless_it_comes_with_a_user_id():
    anonymous = row(1, anonymousId="x", userId=None), row(2, anonymousId="x", userId=None)
    assert counted(*anonymous)[-1] == Month("all", 2, 1)
    assert counted(*anonymous, row(2, anonymousId="x", userId="a")) == [
        Month("2025-02", 1, 1),
        Month("2025-03", 2, 1),
        Month("all", 3, 1),
    ]


def test_tally_takes_the_month_in_utc():
    assert counted(row(1, timestamp="2025-01-31T23:30:00-02:00"))[0].month == "2025-02"


def test_tally_of_nothing_is_empty():
    assert counted() == []


def test_tally_knows_ids_that_came_before():
    with closing(Tally()) as tally:
        assert tally.fresh(["a", "b", "a"]) == [True, True, False]
        assert tally.fresh(["b", "c"]) == [False, True]

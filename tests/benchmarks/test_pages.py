from benchmarks.rows.pages import ASKED, OF_ONE
from tests.pages.addresses import all_addresses


def test_what_is_asked_for_beside_the_pages_is_asked_of_pages_there_are():
    assert sorted({*ASKED, *OF_ONE} - {address.name for address in all_addresses("config.urls")}) == []

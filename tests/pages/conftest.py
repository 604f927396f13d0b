import pytest

from tests.pages.world import built_world


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, segment_process):
    segment_process.reset()
    with django_db_blocker.unblock(), built_world(segment_process) as world:
        yield world

"""One customer, key or region with a lot to send, and the others."""

import pytest

from tests.drills.checker import check

pytestmark = pytest.mark.drill


def most_in_a_second(world):
    return max(key["most_in_a_second"] for key in world.segment.stats()["keys"])


@pytest.mark.row(30)
@pytest.mark.slow_drill
def test_two_tenants_with_one_key_share_its_rate(world):
    customers = world.crowd(120)
    world.worker()
    world.worker()
    world.beat()
    world.drained(*customers)
    assert len(world.requests(customers[0])) == 120
    assert most_in_a_second(world) <= 50
    check(world, *customers)

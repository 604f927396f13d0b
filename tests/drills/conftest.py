"""The drills' servers and processes. docs/drills.md tells how they work."""

import pytest

from tests.drills.rows import ROWS_WITHOUT
from tests.drills.servers import Servers
from tests.drills.web import Web
from tests.drills.world import World


def pytest_terminal_summary(terminalreporter, config):
    if "drill" in config.option.markexpr.split("not ")[0]:
        terminalreporter.section("rows without a whole drill")
        for row, reason in ROWS_WITHOUT.items():
            terminalreporter.write_line(f"row {row}: {reason}")


@pytest.fixture(scope="session")
def lasting_world(segment_process, tmp_path_factory):
    servers = Servers()
    world = World(servers, segment_process, tmp_path_factory.mktemp("drills"))
    try:
        servers.start()
        yield world
        world.close()
    finally:
        servers.remove()


@pytest.fixture
def world(lasting_world):
    lasting_world.begin()
    yield lasting_world
    lasting_world.end()


@pytest.fixture
def web(world):
    """The product's web, with processes of its own."""
    started = Web(world)
    yield started
    started.close()


@pytest.fixture(scope="module")
def plant(lasting_world):
    """A worker and a beat that all drills of a module share. They are started before the drill's world begins."""
    lasting_world.begin()
    worker, beat = lasting_world.worker(), lasting_world.beat()
    worker.ready()
    yield worker
    worker.kill()
    beat.kill()

"""The drills' servers and processes. docs/drills.md tells how they work."""

from typing import Final

import pytest

from tests.drills.rows import ROWS, ROWS_WITHOUT
from tests.drills.servers import ROOT, Servers
from tests.drills.web import Web
from tests.drills.world import World

SLOW_SECONDS: Final = 21
"""A drill that is marked so takes, on the average, with two cores."""

QUICK_SECONDS: Final = 5

MESSAGES: Final = ROOT / "var" / "drills.log"


def drills_are_asked_for(config):
    return "drill" in config.option.markexpr.split("not ")[0]


def pytest_report_collectionfinish(config, items):
    if not drills_are_asked_for(config):
        return []
    slow = sum(item.get_closest_marker("slow_drill") is not None for item in items)
    minutes = -(-(slow * SLOW_SECONDS + (len(items) - slow) * QUICK_SECONDS) // 60)
    return [
        f"{len(items)} drills: processes are killed, stopped and deceived, and afterwards every event is counted.",
        f"This takes about {minutes} min on two cores. What fails is written to {MESSAGES} at the end.",
    ]


def pytest_terminal_summary(terminalreporter, config):
    if not drills_are_asked_for(config):
        return
    if failed := [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]:
        MESSAGES.parent.mkdir(exist_ok=True)
        MESSAGES.write_text("\n\n".join(f"{each.nodeid}\n{each.longreprtext}\n{each.capstderr}" for each in failed))
    terminalreporter.section("rows of the fault list without a whole drill")
    for row, reason in ROWS_WITHOUT.items():
        terminalreporter.write_line(f"row {row}: {reason}")
    if not ROWS_WITHOUT:
        terminalreporter.write_line(f"None of the {ROWS}.")


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

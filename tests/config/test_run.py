import re
import subprocess
import sys

import httpx
import psycopg
import pytest

from config.embedded.places import places_of
from tests.config.conftest import ROOT, answers, environment_of, run
from tests.waiting import eventually


@pytest.fixture
def running(var):
    """`manage.py run` of the demo; gives the process and the lines up to the end of its welcome."""
    env = environment_of(var) | {"DEMO": "1"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run"],
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    yield process, "".join(lines)
    process.kill()
    process.communicate()


def test_run_serves_says_so_to_a_second_one_and_stops_when_asked(running, var):
    process, welcome = running
    url, segment = re.findall(r"http://127\.0\.0\.1:\d+", welcome)[:2]
    assert httpx.get(f"{url}/accounts/login/").status_code == 200
    assert httpx.get(segment, follow_redirects=True).status_code == 200
    assert "ada@demo.test" in welcome

    second = run("manage.py", "run", env=environment_of(var))
    assert (second.returncode, second.stdout) == (
        0,
        f"Headwater already runs in this checkout at {url}. `make stop` stops it.\n",
    )

    stopped = run("manage.py", "stop", env=environment_of(var))
    assert (stopped.returncode, stopped.stdout) == (0, "Stopped.\n")
    assert process.wait(10) == 0
    assert not answers(url)
    assert not answers(segment)
    assert eventually(lambda: not list((var / "embedded").glob("*.json")))
    again = run("manage.py", "stop", env=environment_of(var))
    assert again.stdout == "Nothing runs in this checkout.\n"


def test_killed_run_takes_everything_along(running, var):
    process, welcome = running
    url, segment = re.findall(r"http://127\.0\.0\.1:\d+", welcome)[:2]
    process.kill()
    assert eventually(lambda: not answers(url))
    assert eventually(lambda: not answers(segment))
    assert eventually(lambda: not list((var / "embedded").glob("*.json")))


def test_taken_port_is_told(var):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("manage.py", "run", env=environment_of(var) | {"PORT": str(port), "DEMO": "1"})
    assert done.returncode == 1
    assert done.stderr == f"CommandError: Port {port} is taken on this machine: choose a free one with PORT=….\n"


AGED = {
    "a column has another name": (
        "ALTER TABLE integrations_source RENAME COLUMN region TO place",
        "ALTER TABLE integrations_source RENAME COLUMN place TO region",
    ),
    "a migration finds its tables": (
        "UPDATE django_migrations SET name = 'first' WHERE (app, name) = ('delivery', '0001_initial')",
        "UPDATE django_migrations SET name = '0001_initial' WHERE (app, name) = ('delivery', 'first')",
    ),
}


@pytest.mark.parametrize(("age", "renew"), AGED.values(), ids=AGED.keys())
def test_database_of_an_older_version_is_told(user, var, age, renew):
    with psycopg.connect(user("postgres").urls[0], autocommit=True) as connection:
        run("manage.py", "dumpdata", "tenants.user", env=environment_of(var))
        connection.execute(age)
        done = run("manage.py", "run", env=environment_of(var))
        connection.execute(renew)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "CommandError: The database was made by an older version of Headwater. "
        f"Remove the folder {places_of(var).data}, and its data with it, and run again.\n"
    )

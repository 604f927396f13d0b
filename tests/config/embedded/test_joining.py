import json
import os
import signal
import stat
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from config.embedded.errors import EmbeddedError
from config.embedded.joining import join
from config.embedded.places import places_of
from tests.config.conftest import answers
from tests.waiting import eventually


def test_servers_are_shared_and_stop_when_the_last_user_is_killed(user):
    first = user("postgres", "valkey")
    second = user("postgres", "valkey")
    assert second.urls == first.urls

    first.kill()
    with psycopg.connect(second.urls[0]) as connection:
        # Long enough for a keeper that mistook itself for unused.
        assert connection.execute("SELECT 1 FROM pg_sleep(1)").fetchone() == (1,)
    assert redis.Redis.from_url(second.urls[1]).ping() is True

    second.kill()
    assert eventually(lambda: not answers(second.urls[0]))
    assert eventually(lambda: not answers(second.urls[1]))


def test_data_survives_a_stop_and_a_killed_keeper(user, var):
    first = user("postgres")
    with psycopg.connect(first.urls[0]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    first.kill()
    assert eventually(lambda: not answers(first.urls[0]))

    second = user("postgres")
    os.kill(keeper_of(var, "postgres"), signal.SIGKILL)
    assert eventually(lambda: not answers(second.urls[0]))

    third = user("postgres")
    with psycopg.connect(third.urls[0]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_killed_keeper_takes_valkey_along(user, var):
    first = user("valkey")
    os.kill(keeper_of(var, "valkey"), signal.SIGKILL)
    assert eventually(lambda: not answers(first.urls[0]))


def test_crashed_server_comes_back_at_the_same_url(user, var):
    one = user("valkey")
    client = redis.Redis.from_url(one.urls[0])
    client.set("lost", "with the crash")
    os.kill(client.info("server")["process_id"], signal.SIGKILL)
    assert eventually(lambda: not answers(one.urls[0]), seconds=5)
    assert eventually(lambda: answers(one.urls[0]))
    assert redis.Redis.from_url(one.urls[0]).get("lost") is None


def test_application_role_is_no_superuser_and_may_create_a_test_database(user):
    with psycopg.connect(user("postgres").urls[0]) as connection:
        rights = connection.execute(
            "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert rights == ("headwater", False, True, False)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_servers_refuse_who_has_no_password(user):
    postgres, valkey = (urlsplit(url) for url in user("postgres", "valkey").urls)
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(f"postgres://headwater@{postgres.hostname}:{postgres.port}/headwater")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(valkey.hostname, valkey.port).ping()


def test_passwords_are_in_private_files_and_on_no_command_line(user, var):
    urls = user("postgres", "valkey").urls
    command_lines = b"".join(line for path in Path("/proc").glob("[0-9]*/cmdline") if (line := read_if_there(path)))
    assert b"valkey-server" in command_lines
    for url in urls:
        password = urlsplit(url).password
        assert password is not None
        assert password.encode() not in command_lines
    published = sorted((var / "embedded").glob("*.json"))
    assert [path.name for path in published] == ["postgres.json", "valkey.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in published} == {0o600}


def test_servers_are_given_no_secret_of_the_product(user, var):
    user("postgres", "valkey")
    places = (str(var).encode(), str(places_of(var).data).encode())
    ours = [
        environment
        for process in Path("/proc").glob("[0-9]*")
        if any(place in (read_if_there(process / "cmdline") or b"") for place in places)
        and (environment := read_if_there(process / "environ"))
    ]
    assert len(ours) >= 3, "a keeper for each, and PostgreSQL"
    for name in ("SECRET_KEY", "ENCRYPTION_KEYS"):
        assert not [environment for environment in ours if os.environ[name].encode() in environment]


def test_var_of_somebody_else_is_refused_in_one_sentence(tmp_path):
    if os.geteuid() == 0:
        tmp_path = tmp_path / "var"
        tmp_path.mkdir()
        os.chown(tmp_path, 12345, 12345)
        sentence = f"{tmp_path} belongs to user 12345, and you are root: run as user 12345"
    else:
        tmp_path.chmod(0o500)
        sentence = f"{tmp_path} cannot be used"
    with pytest.raises(EmbeddedError, match=f"^{sentence}"):
        join(tmp_path, ["valkey"])


def keeper_of(var: Path, name: str) -> int:
    pid: int = json.loads((var / "embedded" / f"{name}.json").read_text())["keeper"]
    return pid


def read_if_there(path: Path) -> bytes:
    """A process may end between being listed and being read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""

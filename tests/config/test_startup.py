import os

import psycopg

from tests.config.conftest import answers, environment_of, run
from tests.waiting import eventually


def test_command_without_need_starts_no_server(tmp_path):
    var = tmp_path / "var"
    for command in (["check"], ["migrate", "--help"]):
        assert run("manage.py", *command, env=environment_of(var)).returncode == 0
    assert not var.exists()


def test_command_with_servers_of_ones_own_leaves_no_trace(tmp_path):
    var = tmp_path / "var"
    own = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
    done = run("manage.py", "showmigrations", "tenants", env=environment_of(var) | own)
    assert done.returncode == 0
    assert not var.exists()


def test_first_command_finds_the_tables_and_prints_nothing_but_its_own(user, var):
    with psycopg.connect(user("postgres").urls[0]) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    done = run("manage.py", "dumpdata", "tenants.user", env=environment_of(var))
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]", "")


def test_command_joins_the_servers_that_run(user, var):
    url = user("postgres").urls[0]
    code = "from django.conf import settings; print(settings.DATABASES['default']['PORT'])"
    done = run("manage.py", "shell", "-v", "0", "-c", code, env=environment_of(var))
    assert done.stdout.strip() == url.rsplit(":", 1)[1].split("/")[0]
    # The command's own Valkey went with it, the shared PostgreSQL stays.
    assert eventually(lambda: not (var / "embedded" / "valkey.json").exists())
    assert answers(url)


def test_named_server_is_used_and_only_the_other_is_started(user, var):
    url = user("postgres").urls[0]
    code = "from django.conf import settings; print(settings.REDIS_URL.startswith('redis://:'))"
    done = run(
        "manage.py", "shell", "-v", "0", "-c", code, env=environment_of(var) | {"REDIS_URL": "redis://127.0.0.1:1/0"}
    )
    assert done.stdout.strip() == "False"
    assert not (var / "embedded" / "valkey.json").exists()
    assert answers(url)

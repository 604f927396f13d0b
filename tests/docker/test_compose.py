"""The compose file, as far as it can be checked without a container engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

DOCKER = Path(__file__).resolve().parents[2] / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OWN = ["migrate", "web", "worker-us", "worker-eu", "beat"]


def example_names():
    lines = (DOCKER / "env.example").read_text().splitlines()
    return {line.partition("=")[0] for line in lines if line and not line.startswith("#")}


def test_production_settings_pass_the_deployment_checks():
    """With what the example asks for, Django has nothing to warn of."""
    production = {
        "DEMO": "0",
        "DEBUG": "0",
        "SITE_URL": "https://app.headwater.example",
        "BEHIND_PROXY": "1",
        "STATIC_COLLECTED": "1",
        "SUPPORT_EMAIL": "help@headwater.example",
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    done = subprocess.run(
        command, env={**inherited, **production}, cwd=DOCKER.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_process_of_a_deployment_is_there():
    assert set(SERVICES) == {*OWN, "postgres", "valkey"}


@pytest.mark.parametrize("name", OWN)
def test_own_services_may_write_nothing_and_become_nobody(name):
    service = SERVICES[name]
    hardening = {key: service[key] for key in ("read_only", "tmpfs", "cap_drop", "security_opt")}
    assert hardening == {
        "read_only": True,
        "tmpfs": "/tmp",  # noqa: S108  # a file system of the container's own
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }


@pytest.mark.parametrize("name", [name for name in OWN if name != "migrate"])
def test_own_services_wait_for_the_migration_and_start_again(name):
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert int(service["stop_grace_period"].removesuffix("s")) > 30


def test_nothing_but_the_web_is_reached_from_outside_and_that_from_this_machine_only():
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"web": ["127.0.0.1:${PORT:-8000}:8000"]}


def test_valkey_keeps_its_data_and_forgets_nothing_for_lack_of_memory():
    command = SERVICES["valkey"]["command"][-1]
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_all_queues_have_a_worker():
    queues = {queue for name in OWN if "worker" in name for queue in SERVICES[name]["command"][-3].split(",")}
    assert queues == {"us", "eu", "sweep", "exports"}


def test_share_of_the_rate_is_that_of_the_workers():
    workers = [name for name in OWN if name.startswith("worker")]
    assert SERVICES["web"]["environment"]["WORKER_PROCESSES"] == str(len(workers))


def test_the_demo_is_nowhere():
    for file in DOCKER.iterdir():
        if file.suffix != ".txt":
            assert "DEMO" not in file.read_text(), file.name


def test_admin_password_of_postgres_is_not_in_the_products_environment():
    assert {SERVICES[name]["environment"]["POSTGRES_ADMIN_PASSWORD"] for name in OWN} == {""}


def test_every_variable_of_the_compose_file_is_in_the_example():
    text = (DOCKER / "compose.yaml").read_text()
    wanted = {part.split(":")[0] for part in text.split("${")[1:]} - {"PORT"}
    assert wanted <= example_names()


def test_example_names_only_settings_that_exist():
    known = (DOCKER.parent / "docs" / "settings.md").read_text()
    servers = {"POSTGRES_PASSWORD", "POSTGRES_ADMIN_PASSWORD", "VALKEY_PASSWORD"}
    assert [name for name in example_names() - servers if f"`{name}`" not in known] == []


def test_files_that_are_mounted_exist_and_can_be_run():
    (_, script) = SERVICES["postgres"]["volumes"]
    path = DOCKER / script.split(":")[0]
    assert path.stat().st_mode & 0o111

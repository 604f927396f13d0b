"""Every program refuses to start with a mapping that breaks the Spec: a real copy of the project that has one."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.config.conftest import ROOT

BROKEN = """from dataclasses import dataclass

from django.dispatch import Signal

from integrations.mappings.registry import maps
from integrations.spec.calls import Call, track


@dataclass(frozen=True)
class Sale:
    tenant_id: int
    buyer: str


sold = Signal()


@maps(sold, event="Purchase")
def sale(activity: Sale) -> Call:
    return track(event="Purchase", user_id=activity.buyer, properties={"orderId": "7"})
"""
PLACE = "integrations/mappings/sales.py:18"
PACKAGES = ("config", "delivery", "examples", "integrations", "sandbox", "static", "templates", "tenants")


@pytest.fixture(scope="module")
def broken_copy(tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("manage.py", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, copy / name)
    (copy / "integrations" / "mappings" / "sales.py").write_text(BROKEN)
    return copy


@pytest.mark.parametrize(
    "program",
    [
        ["manage.py", "check"],
        ["manage.py", "run"],
        ["-m", "gunicorn", "config.wsgi", "--bind", "127.0.0.1:0"],
        ["-m", "celery", "-A", "config.celery", "worker", "--pool", "threads"],
    ],
    ids=["check", "make run", "web", "worker"],
)
def test_program_does_not_start_with_a_mapping_that_breaks_the_spec(broken_copy, program):
    environment = {**os.environ, "VAR_DIR": str(broken_copy / "var"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *program], cwd=broken_copy, env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip

    assert done.returncode == 1
    for expected in (PLACE, "Call it “Order Completed”.", "order_id"):
        assert expected in done.stderr
    assert "Traceback" not in done.stderr

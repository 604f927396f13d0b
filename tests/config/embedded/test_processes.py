import subprocess
import sys
from pathlib import Path

from tests.config.conftest import ROOT
from tests.waiting import eventually

PARENT = """
import signal, subprocess, sys, time
from config.embedded.processes import spawn
child = spawn([sys.executable, "-c", "import time; time.sleep(600)"],
              when_orphaned=signal.SIGTERM, output=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(600)
"""


def lives(pid: int) -> bool:
    """A zombie, whose parent has not asked for it yet, lives no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_child_dies_with_its_killed_parent():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert lives(child)
    parent.kill()
    parent.communicate()
    assert eventually(lambda: not lives(child))

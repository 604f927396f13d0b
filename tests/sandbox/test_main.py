"""The process itself: how it starts, counts, and ends."""

import json
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx

from tests.conftest import WRITE_KEY
from tests.sandbox.test_answers import track
from tests.segment_fixture import ROOT


@contextmanager
def running(*arguments):
    command = [sys.executable, "-m", "sandbox", "--until-stdin-closes", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def send(url, region="us"):
    return httpx.post(f"{url}/{region}/v1/batch", json={"batch": [track("m-1"), track("m-2")]}, auth=(WRITE_KEY, ""))


def test_count_only_counts_and_keeps_nothing():
    with running("--count-only", "--quiet") as (_, url):
        text = json.dumps(
            {"batch": [track("m-1"), track("m-2", properties={"said": '"messageId":'})]}, separators=(",", ":")
        )
        headers = {"Content-Type": "application/json"}
        assert httpx.post(f"{url}/us/v1/batch", content=text, headers=headers, auth=(WRITE_KEY, "")).status_code == 200
        keys = httpx.get(f"{url}/_control/stats").json()["keys"]
        assert [(key["requests"], key["accepted"]) for key in keys] == [(1, 2)]
        assert httpx.get(f"{url}/us/debugger.json", auth=(WRITE_KEY, "")).json() == []


def test_key_option_says_where_a_key_belongs():
    with running("--key", f"eu:{WRITE_KEY}", "--quiet") as (_, url):
        assert send(url).status_code == 200
        assert [key["lost"] for key in httpx.get(f"{url}/us/debugger.json").json()] == [2]


def test_log_line_tells_no_key():
    with running() as (process, url):
        send(url)
        process.stdin.close()
        line = process.stderr.readline()
        assert line.startswith("POST /us/v1/batch …2345 ")
        assert WRITE_KEY not in line
        assert line.rstrip().endswith("2 events 200")


def test_it_ends_when_its_starter_is_gone():
    with running("--quiet") as (process, url), httpx.Client() as kept_open:
        kept_open.get(url)
        process.stdin.close()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_it_ends_cleanly_when_told_to():
    with running("--quiet") as (process, url), httpx.Client() as kept_open:
        kept_open.get(url)
        process.terminate()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_taken_port_is_told_in_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "sandbox", "--port", port]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("The stand-in cannot listen: ")
    assert ended.stderr.count("\n") == 1

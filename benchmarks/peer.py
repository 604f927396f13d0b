"""Segment's own client for Python, in a process of its own: python -m benchmarks.peer --host URL --events N

Prints {"seconds": from the first track() to the end of flush()}. As shipped, but for a queue that is long enough.
"""

import argparse
import json
import subprocess
import sys
import time

from benchmarks.events import EVENT, context, properties
from benchmarks.measured import BenchmarkError
from benchmarks.sink import Sink
from config.environment import BASE_DIR

KEY = "peerPEERpeerPEERpeerPEERpeerPEER"
SECONDS = 600


def peer_rate(sink: Sink, events: int) -> float:
    """Events per second that Segment's client sends to the sink."""
    sink.reset()
    command = [sys.executable, "-m", "benchmarks.peer", "--host", f"{sink.url}/us", "--events", str(events)]
    done = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode or (arrived := sink.of(KEY)["accepted"]) != events:
        reason = done.stderr.strip().splitlines()[-1:] or [f"{arrived:,} of {events:,} events arrived"]
        raise BenchmarkError(f"segment-analytics-python failed: {reason[0]}.")
    sink.reset()
    return events / float(json.loads(done.stdout)["seconds"])


def seconds_for(options: argparse.Namespace) -> float:
    from segment.analytics.client import Client

    client = Client(
        KEY, host=options.host, max_queue_size=options.events, upload_size=options.upload_size, thread=options.threads
    )
    begin = time.perf_counter()
    for number in range(options.events):
        client.track(f"user-{number:08}", EVENT, properties(number), context(number))
    client.flush()
    return time.perf_counter() - begin


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peer", description="Time segment-analytics-python.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--upload-size", type=int, default=100, help="events a request; 100 as shipped")
    parser.add_argument("--threads", type=int, default=1, help="threads that send; 1 as shipped")
    return parser.parse_args()


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"seconds": seconds_for(arguments())}) + "\n")

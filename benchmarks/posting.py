"""One of the limiter's four worker processes: asks for permits with one key and posts small bodies.

python -m benchmarks.posting URL: prints "ready", reads a number of seconds from standard input, posts for so long.
"""

import sys
import time

import httpx

from benchmarks.keys import write_key
from delivery import limiter

BODY = b'{"batch":[{"type":"track","userId":"u-1","event":"Email Opened","messageId":"m-1"}]}'
RATE_KEY = "benchmark"


def post_for(url: str, seconds: float) -> None:
    with httpx.Client(trust_env=False, auth=(write_key(0), ""), headers={"Content-Type": "application/json"}) as http:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            permit = limiter.permit(RATE_KEY)
            if not permit.is_given:
                time.sleep(permit.wait)
            elif limiter.keep(permit):
                http.post(url, content=BODY).raise_for_status()


if __name__ == "__main__":
    import django

    django.setup()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    post_for(sys.argv[1], float(sys.stdin.readline()))

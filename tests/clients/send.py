"""Sends events with Segment's library for Python, as shipped: send.py CONFIG, as tests/clients/libraries.py makes it.

Prints {"failed": events that the library gave up}.
"""

import json
import sys
import time
from typing import Any, Final

from segment.analytics.client import Client

EVENTS_IN_A_STEP: Final = 100


def main(config: dict[str, Any]) -> None:
    failed: list[Any] = []
    client = Client(
        config["key"], host=config["url"], gzip=config["gzip"], max_retries=config["retries"],
        on_error=lambda _error, batch: failed.extend(batch),
    )  # fmt: skip
    for number in range(config["events"]):
        client.track(f"{config['prefix']}-{number}", "Report Shared", {"number": number})
        if number % EVENTS_IN_A_STEP == EVENTS_IN_A_STEP - 1:
            time.sleep(config["pause"])
    client.shutdown()
    sys.stdout.write(json.dumps({"failed": len(failed)}) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

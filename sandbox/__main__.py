"""python -m sandbox --port N: the stand-in for Segment. `--help` lists the options, docs/stand-in.md tells the rest."""

import argparse
import asyncio
import signal
import sys

from sandbox.server import StandIn
from sandbox.workspace import REGIONS


def region_and_key(text: str) -> tuple[str, str]:
    region, _, key = text.partition(":")
    if region not in REGIONS or not key:
        raise argparse.ArgumentTypeError("write it as us:KEY or eu:KEY")
    return region, key


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A stand-in for Segment's HTTP API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--delay", type=float, default=0, metavar="MS", help="milliseconds before each answer")
    parser.add_argument("--count-only", action="store_true", help="count events without reading them, for benchmarks")
    parser.add_argument("--quiet", action="store_true", help="no line for each request")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when whoever started it is gone")
    parser.add_argument(
        "--key", type=region_and_key, action="append", default=[], metavar="us:KEY",
        help="a key of this region: with it, the other region answers 200 and stores nothing. For made-up keys only:"
        " arguments are visible to every user of the machine.",
    )  # fmt: skip
    return parser.parse_args()


async def run(options: argparse.Namespace) -> None:
    stand_in = StandIn(delay=options.delay / 1000, count_only=options.count_only, quiet=options.quiet)
    for region, key in options.key:
        stand_in.workspace.register(region, key)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    if options.until_stdin_closes:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        watch = asyncio.create_task(reader.read())
        watch.add_done_callback(lambda _: over.set())
    server = await asyncio.start_server(stand_in.serve, options.host, options.port, limit=1_048_576, backlog=1_024)
    host, port = server.sockets[0].getsockname()[:2]
    sys.stdout.write(f"Listening on http://{host}:{port}\n")
    sys.stdout.flush()
    await over.wait()
    server.close()


if __name__ == "__main__":
    try:
        asyncio.run(run(arguments()))
    except OSError as error:
        sys.exit(f"The stand-in cannot listen: {error.strerror}. Choose another --port.")

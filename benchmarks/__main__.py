"""python -m benchmarks: `make bench`. docs/benchmarks.md says what each row measures and how to read it."""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.catalogue import NAMES, ROWS, Row
from benchmarks.measured import BenchmarkError
from benchmarks.report import Report
from benchmarks.servers import Servers
from config.embedded.errors import EmbeddedError

RESULTS = Path(__file__).parent / "results.json"


def rows_named(text: str) -> list[Row]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"there is no row {', '.join(unknown)}; --list shows them")
    return [row for row in ROWS if not names or row.name in names]


def fraction(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError("a number over 0, and 1 at most")
    return number


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Headwater, each row by its bar.")
    parser.add_argument(
        "--rows", type=rows_named, default=os.environ.get("ROWS", ""), metavar="A,B",
        help="only these rows; the environment's ROWS says the same",
    )  # fmt: skip  # an option a piece
    parser.add_argument("--list", action="store_true", help="list the rows with their bars, and measure nothing")
    parser.add_argument(
        "--scale", type=fraction, default=1.0, metavar="0.01",
        help="shrink counts and durations: a quick look, with no verdicts",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FILE", help="default: benchmarks/results.json")
    return parser.parse_args()


def list_rows() -> None:
    for row in ROWS:
        sys.stdout.write(f"{row.name:16} {row.what:70} {row.bar}\n")


def measure(rows: list[Row], report: Report, servers: Servers, scale: float) -> bool:
    """Whether every row could be measured."""
    servers.start()
    servers.prepare()
    from benchmarks.bench import Bench

    bench = Bench(servers, scale, report.say)
    report.begin()
    complete = True
    for row in rows:
        servers.renew(row.name)
        try:
            report.add(row, getattr(import_module(f"benchmarks.rows.{row.module}"), row.name)(bench))
        except Exception as error:  # noqa: BLE001  # the other rows are measured all the same
            report.failed(row, str(error) if isinstance(error, BenchmarkError) else repr(error))
            complete = False
    return complete


def main() -> int:
    options = arguments()
    if options.list:
        list_rows()
        return 0
    servers = Servers()
    try:
        complete = measure(options.rows, Report(options.output, options.scale), servers, options.scale)
    except EmbeddedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        servers.stop()
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())

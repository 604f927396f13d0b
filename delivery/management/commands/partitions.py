from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from delivery.models import EventPartition
from delivery.partitions import keep_ahead, make_room, place

HELP = """Make the partitions of the event log that are missing ahead, and list them all. Beat does the same each
minute; by hand it is of use before a large import (--room), or while beat is away. Harmless at any time.
docs/retention.md explains partitions."""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--room", type=int, metavar="EVENTS", help="make room for so many events, captured at once")

    def handle(self, *_args: Any, **options: Any) -> None:
        room = options["room"]
        if room is not None and room < 1:
            raise CommandError("--room takes a number of events, 1 or more.")
        made = keep_ahead() + (make_room(room) if room else 0)
        if room:
            keep_ahead()
        for partition in EventPartition.objects.order_by("first_id"):
            self.stdout.write(f"{partition.first_id:>15,} to {partition.end_id - 1:>15,}  {_state(partition)}")
        self.stdout.write(f"{made} made. Room for {place().ahead:,} more events.")


def _state(partition: EventPartition) -> str:
    if partition.passed_at:
        return f"full since {partition.passed_at:%Y-%m-%d %H:%M} UTC"
    if partition.opened_at:
        return f"in use since {partition.opened_at:%Y-%m-%d %H:%M} UTC"
    return "ahead"

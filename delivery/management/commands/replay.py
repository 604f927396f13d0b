import getpass
import json
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils.dateparse import parse_datetime

from delivery import replay
from delivery.enums import Outcome
from delivery.errors import ReplayError
from delivery.replay import Count, Replayed
from delivery.replayable import Criteria, Progress
from integrations.models import Source
from tenants.audit import note
from tenants.scoping import every_tenant, scope


class Command(BaseCommand):
    help = (
        "Send events of a source to Segment again: the same messageIds and payloads. How many they are is told first; "
        "--dry-run does no more than that. Several criteria narrow each other."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--source", type=int, required=True, metavar="ID", help="manage.py status lists them")
        parser.add_argument("--event", nargs="+", default=[], metavar="ID", help="event ids or messageIds")
        parser.add_argument("--batch", nargs="+", type=int, default=[], metavar="ID", help="batch ids")
        parser.add_argument("--since", type=_moment, metavar="ISO", help="captured then or later; UTC unless it says")
        parser.add_argument("--until", type=_moment, metavar="ISO", help="captured before that")
        answers = ", ".join(Outcome.values)
        parser.add_argument("--answer", default="", help=f"the last answer: a status code such as 400, or {answers}")
        parser.add_argument("--token", default="", help="done once for a token, however often it is asked for")
        parser.add_argument("--dry-run", action="store_true", help="count only; changes nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal")
        parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        source = _source(options["source"])
        criteria = _criteria(options)
        token = options["token"] or str(uuid.uuid4())
        try:
            with scope(source.tenant_id):
                self._replay(source, criteria, token, options)
        except ReplayError as error:
            raise CommandError(str(error)) from None

    def _replay(self, source: Source, criteria: Criteria, token: str, options: dict[str, Any]) -> None:
        counted = replay.count(source, criteria, self._progress("Counting"))
        notes = replay.notes(source)
        if not options["json"]:
            self.stdout.write("\n".join([*_sentences(counted), *notes]))
        done = None
        if not options["dry_run"] and (options["yes"] or _confirmed(counted)):
            done = _replayed(source, criteria, token, self._progress("Queueing"))
        if options["json"]:
            facts = {**counted.as_dict(), "notes": notes, **_outcome(done)}
            self.stdout.write(json.dumps(facts))
        else:
            self.stdout.write(_ending(done))

    def _progress(self, what: str) -> Progress | None:
        """A line that is written over, for somebody who waits at a terminal: half a million events take a while."""
        if not self.stderr.isatty():
            return None

        def tell(looked_at: int, total: int) -> None:
            end = "\n" if looked_at == total else "\r"
            self.stderr.write(f"{what}: {looked_at:,} of {total:,} events", str, ending=end)
            self.stderr.flush()

        return tell


def _source(source_id: int) -> Source:
    with every_tenant():
        source = Source.objects.filter(pk=source_id).first()
    if source is None:
        raise CommandError(f"There is no source {source_id}. manage.py status lists them with their ids.")
    return source


@transaction.atomic
def _replayed(source: Source, criteria: Criteria, token: str, progress: Progress | None) -> Replayed:
    """The history of the tenant has it once, as the replay itself."""
    by = f"{getpass.getuser()} (command line)"
    done = replay.replay(source, criteria, token=token, requested_by=by, progress=progress)
    if done.fresh:
        counts = {"events": done.replay.event_count, "replay": done.replay.pk}
        note(source.tenant_id, None, "sent again events of", source.name, **counts)
    return done


def _criteria(options: dict[str, Any]) -> Criteria:
    answer = options["answer"]
    if answer and answer not in Outcome.values and not (answer.isascii() and answer.isdigit()):
        raise CommandError(f"--answer: {answer!r} is no status code and none of {', '.join(Outcome.values)}.")
    numbers = [each for each in options["event"] if each.isascii() and each.isdigit()]
    return Criteria(
        event_ids=[int(each) for each in numbers],
        message_ids=[_message_id(each) for each in options["event"] if each not in numbers],
        batch_ids=options["batch"],
        since=options["since"],
        until=options["until"],
        answer=int(answer) if answer.isdigit() else answer,
    )


def _message_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise CommandError(f"--event: {text!r} is neither an event's id nor a messageId.") from None


def _moment(text: str) -> datetime:
    moment = parse_datetime(text) or parse_datetime(f"{text}T00:00")
    if moment is None:
        raise ValueError(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _confirmed(counted: Count) -> bool:
    if not counted.events:
        return True
    if not sys.stdin.isatty():
        raise CommandError(
            "Nothing was replayed: there is no terminal to ask on. Add --yes, or --dry-run to count only."
        )
    return input("Send them again? [y/N] ").strip().lower() in {"y", "yes"}


def _sentences(counted: Count) -> list[str]:
    oldest = f", the oldest captured at {counted.oldest.isoformat(timespec='seconds')}" if counted.oldest else ""
    lines = [f"{_amount(counted.events, counted.batches)}{oldest}."]
    if counted.accepted_before:
        lines.append(f"{counted.accepted_before} of them Segment had accepted.")
    if counted.may_arrive_twice:
        lines.append(
            f"Warning: {counted.may_arrive_twice} may arrive twice. They may have reached Segment over 20 hours ago "
            "or in another region; it recognizes a repeated messageId for about a day."
        )
    if counted.waiting:
        lines.append(f"{counted.waiting} more wait to be sent anyway and are left out.")
    if counted.gone:
        lines.append(f"{counted.gone} more are not there: erased, expired, or not this source's.")
    return lines


def _outcome(done: Replayed | None) -> dict[str, Any]:
    if done is None:
        return {"replayed": False}
    made = done.replay
    return {"replayed": True, "fresh": done.fresh, "replay": made.pk, "token": made.token, "queued": made.event_count}


def _ending(done: Replayed | None) -> str:
    if done is None:
        return "Nothing was changed."
    made = done.replay
    if not done.fresh:
        return (
            f"Done before, as replay {made.pk} at {made.created_at.isoformat(timespec='seconds')}. Nothing was changed."
        )
    return f"Replay {made.pk} has queued {_amount(made.event_count, made.batch_count)}. Token: {made.token}"


def _amount(events: int, batches: int) -> str:
    return f"{events} event{'s' * (events != 1)} in {batches} batch{'es' * (batches != 1)}"

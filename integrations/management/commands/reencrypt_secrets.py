import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.rotation import Rotation, reencrypt_secrets


class Command(BaseCommand):
    help = (
        "Re-encrypt every stored secret with the first key of ENCRYPTION_KEYS. When it reports none unreadable, the "
        "other keys may leave the ring. docs/secrets.md has the steps."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        rotation = reencrypt_secrets(dry_run=options["dry_run"])
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(rotation), "dry_run": options["dry_run"]}))
        else:
            self._tell(rotation, "to re-encrypt" if options["dry_run"] else "re-encrypted")
        if rotation.unreadable:
            raise CommandError(
                f"{len(rotation.unreadable)} secrets cannot be read and were left as they are. Put the missing key "
                "back into ENCRYPTION_KEYS, or have the secrets pasted again."
            )

    def _tell(self, rotation: Rotation, done: str) -> None:
        for line in rotation.unreadable:
            self.stderr.write(line)
        self.stdout.write(
            f"Secrets: {rotation.reencrypted} {done}, {rotation.current} under the first key already, "
            f"{len(rotation.unreadable)} unreadable."
        )

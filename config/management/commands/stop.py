from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.running import stop_running


class Command(BaseCommand):
    help = "Stop the `make run` of this checkout."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        ended = stop_running(settings.VAR_DIR)
        if ended is None:
            self.stdout.write("Nothing runs in this checkout.")
        elif ended:
            self.stdout.write("Stopped.")
        else:
            raise CommandError("It was asked to stop and still runs; var/log says what it does.")

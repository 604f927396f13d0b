"""How gunicorn serves Headwater; `gunicorn config.wsgi` finds this file by itself."""

import multiprocessing
import os
import sys
from typing import Any

bind = "127.0.0.1:8000"
worker_class = "gthread"
# One process of Python keeps one core busy, and the ingest API has more to do (docs/ingest.md).
workers = 2
threads = 8
graceful_timeout = 20
# Nobody uses it, and it would lie in the home of whoever runs us.
control_socket_disable = True


def on_starting(_server: Any) -> None:
    """What a bad setting or mapping would make of each worker ends the server instead, with one message."""
    import config.settings  # noqa: F401  # reading them ends the server when one is bad

    # In a process of its own: with Django loaded here, a reload (HUP) would go on with the old code.
    check = multiprocessing.get_context("fork").Process(target=_check_mappings)
    check.start()
    check.join()
    if check.exitcode:
        sys.exit(1)


def _check_mappings() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from integrations.checks import stop_on_broken_mappings

    stop_on_broken_mappings()

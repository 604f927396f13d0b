"""How gunicorn serves Headwater; `gunicorn config.wsgi` finds this file by itself."""

from typing import Any

bind = "127.0.0.1:8000"
worker_class = "gthread"
workers = 1
threads = 8
graceful_timeout = 20
# Nobody uses it, and it would lie in the home of whoever runs us.
control_socket_disable = True


def on_starting(_server: Any) -> None:
    """Read the settings before any worker does: a bad one ends the server, where workers would die again and again."""
    import config.settings  # noqa: F401

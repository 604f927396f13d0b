"""What most products do: one Celery task per event, posted with one shared httpx client, nothing kept.

The worker's settings are the project's own: only the task differs.
"""

import os
from functools import cache
from typing import Any, Final

import httpx
from celery import Celery

QUEUE: Final = "plain"

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("plain")
app.config_from_object("django.conf:settings", namespace="CELERY")


@cache
def client() -> httpx.Client:
    return httpx.Client(trust_env=False, timeout=20)


@app.task(name="benchmarks.plain.post")
def post(url: str, write_key: str, call: dict[str, Any]) -> None:
    client().post(url, json=call, auth=(write_key, "")).raise_for_status()


def put_in_queue(url: str, write_key: str, call: dict[str, Any]) -> None:
    post.apply_async((url, write_key, call), queue=QUEUE)

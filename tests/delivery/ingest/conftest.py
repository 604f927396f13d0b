import base64
import gzip
import json
from typing import Any

import pytest
from django.test import Client

from delivery.models import Event, Refusal
from integrations.api_keys import issue_api_key
from integrations.enums import KeyPurpose
from tenants.scoping import every_tenant


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def track(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A call as a library sends it in a batch."""
    call = {"type": "track", "userId": f"u-{number}", "event": "Report Shared", "messageId": f"m-{number}"}
    return {**call, "timestamp": "2026-01-31T09:30:00.000Z", "properties": {"pages": number}, **fields}


@pytest.fixture
def issued(tenant):
    return issue_api_key(tenant, KeyPurpose.INGEST, name="Web shop", by=None)


@pytest.fixture
def key(issued):
    return issued[1].reveal()


@pytest.fixture
def post(key, source):
    """Posts to an endpoint as Segment's libraries do: Basic authentication, JSON."""
    client = Client(enforce_csrf_checks=True)

    def send(method: str, body: Any, *, headers: dict[str, str] | None = None, content_type: str = "application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Authorization": basic(key), **(headers or {})}
        return client.post(f"/v1/{method}", data, content_type=content_type, headers=sent)

    return send


def gzipped(body: Any) -> bytes:
    return gzip.compress(json.dumps(body).encode())


def stored(**conditions: Any) -> list[dict[str, Any]]:
    """The calls in the log, oldest first."""
    with every_tenant():
        return [json.loads(event.payload) for event in Event.objects.filter(**conditions).order_by("pk")]


def refusals() -> list[Refusal]:
    with every_tenant():
        return list(Refusal.objects.order_by("pk"))

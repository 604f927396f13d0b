"""The capturing process of the drills: what a web process does, one command a line on standard input.

A line is a JSON list, the command and its arguments; the answer is one JSON line with `result` or `error`, and the
`seconds` that the command took. It ends when its standard input closes.
"""

import json
import os
import sys
import time
from typing import Any

import django


def connect(name: str, region: str, key: str) -> list[int]:
    """A new tenant with one source; their ids."""
    from integrations.enums import Region
    from integrations.secrets import Secret
    from integrations.services import connect_source
    from tenants.models import Tenant

    tenant = Tenant.objects.create(name=name, slug=name)
    return [tenant.pk, connect_source(tenant, name="Main", region=Region(region), write_key=Secret(key)).pk]


def issue_key(tenant_id: int) -> str:
    """An ingest key of the tenant."""
    from integrations.api_keys import issue_api_key
    from integrations.enums import KeyPurpose
    from tenants.models import Tenant
    from tenants.scoping import every_tenant

    with every_tenant():
        tenant = Tenant.objects.get(pk=tenant_id)
        return issue_api_key(tenant, KeyPurpose.INGEST, name="Drill", by=None)[1].reveal()


def connect_many(name: str, region: str, key: str, count: int) -> list[list[int]]:
    """Tenants that all have this key, each with one event."""
    from django.db import transaction

    made = []
    with transaction.atomic():
        for number in range(count):
            made.append(connect(f"{name}-{number}", region, key))
            capture(made[-1][0], [f"Step {number} Done"])
    return made


def capture(tenant_id: int, names: list[str], filler: str = "") -> list[int]:
    """The event ids. `filler` is a property that makes the events longer, or tells them apart."""
    from delivery.outbox import capture_many

    captured = capture_many(tenant_id, [_track(name, filler) for name in names])
    return captured.event_ids


def capture_calls(tenant_id: int, calls: list[Any]) -> list[Any]:
    """Whole calls; the event ids and the reasons of the refused ones."""
    from delivery.outbox import capture_many

    captured = capture_many(tenant_id, calls)
    return [captured.event_ids, [refusal.reason for refusal in captured.refused]]


def rename_and_capture(
    tenant_id: int, name: str, *, wait: bool = False, events: int = 1, filler: str = ""
) -> list[Any]:
    """A write of the product and events in one transaction: their ids, and how many refusals were stored instead.

    `wait`: the transaction stays open until a line comes.
    """
    from django.db import transaction

    from delivery.outbox import capture_many
    from tenants.models import Tenant

    with transaction.atomic():
        Tenant.objects.filter(pk=tenant_id).update(name=name)
        captured = capture_many(tenant_id, [_track("Tenant Renamed", filler)] * events)
        if wait:
            _say({"inside": True})
            sys.stdin.readline()
    return [captured.event_ids, sum(refusal.pk is not None for refusal in captured.refused)]


def change(source_id: int, what: str, *values: str) -> None:
    """One of the services of integrations: pause_source, resume_source, replace_write_key, change_region ..."""
    from integrations import services
    from integrations.enums import Region
    from integrations.models import Source
    from integrations.secrets import Secret
    from tenants.scoping import every_tenant

    with every_tenant():
        source = Source.objects.get(pk=source_id)
    kinds: dict[str, Any] = {"replace_write_key": Secret, "change_region": Region}
    getattr(services, what)(source, *(kinds[what](value) for value in values))


def delete_tenant(tenant_id: int) -> None:
    """As an owner does on its page."""
    from tenants.closing import delete_tenant as delete

    owner = _owner(tenant_id)
    tenant = owner.tenants.get()
    delete(tenant, tenant.name, by=owner)


def delete_source(source_id: int) -> None:
    from integrations.deletion import delete_source as delete
    from integrations.models import Source
    from tenants.scoping import every_tenant

    with every_tenant():
        source = Source.objects.select_related("tenant").get(pk=source_id)
    delete(source, source.name, by=_owner(source.tenant_id))


def ask_for_export(tenant_id: int) -> None:
    """As an owner does on its page."""
    from tenants.exports.services import ask_for_export as ask

    owner = _owner(tenant_id)
    ask(owner.tenants.get(), by=owner)


def cascade(tenant_id: int) -> None:
    """A deletion that asks for no erasure."""
    from tenants.models import Tenant
    from tenants.scoping import every_tenant

    with every_tenant():
        Tenant.objects.get(pk=tenant_id).delete()


def _owner(tenant_id: int) -> Any:
    from tenants.enums import Role
    from tenants.models import Membership, User

    owner = User.objects.create_user(f"owner@t-{tenant_id}.test")
    Membership.objects.create(tenant_id=tenant_id, user=owner, role=Role.OWNER)
    return owner


def task(name: str) -> None:
    """What beat does when it is time."""
    from config.celery import app

    app.send_task(name, queue="sweep")


def hint(source_ids: list[int], region: str, times: int = 1) -> None:
    from delivery.wake import hint as send

    for _ in range(times):
        send(source_ids, region)


def sweep() -> int:
    from delivery.sweep import sweep as sweep_all

    return sweep_all()


COMMANDS: dict[str, Any] = {
    command.__name__: command
    for command in (
        *(connect, issue_key, connect_many, capture, capture_calls, rename_and_capture),
        *(change, delete_tenant, delete_source, ask_for_export, cascade, task, hint, sweep),
    )
}


def _track(name: str, filler: str) -> dict[str, Any]:
    from integrations.spec.calls import track

    return track(event=name, user_id="u-1", properties={"note": filler} if filler else None)


def _answer(line: str) -> dict[str, Any]:
    from django.db import connection

    command, *arguments = json.loads(line)
    options = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
    began = time.monotonic()
    try:
        answer = {"result": COMMANDS[command](*arguments, **options)}
    except Exception as error:  # noqa: BLE001  # the drill judges it
        answer = {"error": type(error).__name__}
    answer["seconds"] = time.monotonic() - began
    # As at the end of a web request: a connection that broke is opened anew.
    connection.close_if_unusable_or_obsolete()
    return answer


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201  # the drill reads its answer there


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    _say({"ready": True})
    for line in sys.stdin:
        _say(_answer(line))


if __name__ == "__main__":
    main()

"""A company whose sources stand in every way there is, and whose names are as long as they may be."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from django.utils import timezone

from delivery.alerts.looking import look_around
from delivery.models import Event
from delivery.outbox import capture
from delivery.turn import take_turn
from integrations.models import Source
from integrations.services import disconnect_source, enter_shadow, pause_source
from integrations.spec.calls import track
from tenants.enums import Role
from tenants.models import Membership, Tenant, User
from tenants.scoping import every_tenant, scope
from tests.conftest import make_source, make_user
from tests.segment_fixture import SegmentStandIn

SLUG: Final = "long-names"
LONG: Final = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz & Daughters of the North, Incorporated"[
    :100
]
LONG_EMAIL: Final = f"{'anna-katharina-wilhelmina.' * 2}muster@{'subsidiary-of-a-subsidiary.' * 3}test"


def add_company(owner: User, stand_in: SegmentStandIn) -> Mapping[str, int]:
    """The ids of its sources, by how they stand."""
    tenant = Tenant.objects.create(name=LONG, slug=SLUG)
    Membership.objects.create(tenant=tenant, user=owner, role=Role.OWNER)
    Membership.objects.create(tenant=tenant, user=make_user(LONG_EMAIL), role=Role.ADMIN)
    with scope(tenant.pk):
        ids = {how: _source(tenant, stand_in, number, how) for number, how in enumerate(STATES)}
    with every_tenant():
        look_around()
    return ids


def _source(tenant: Tenant, stand_in: SegmentStandIn, number: int, how: str) -> int:
    key = f"{number:02}" * 16
    source = make_source(tenant, key, name=LONG if how == "working" else how.replace("_", " ").capitalize())
    STATES[how](source, stand_in)
    stand_in.clear_faults()
    return source.pk


def _opened(source: Source, times: int = 3) -> None:
    for number in range(times):
        properties = {"email_id": f"e-{number}", "email_subject": "Our news", "Not Snake": LONG}
        capture(source.tenant_id, track(event="Email Opened", user_id=LONG, properties=properties), sources=[source])


def _working(source: Source, stand_in: SegmentStandIn) -> None:
    _unverified(source, stand_in)
    Source.objects.filter(pk=source.pk).update(confirmed_version=source.version)


def _unverified(source: Source, _stand_in: SegmentStandIn) -> None:
    _opened(source, 12)
    take_turn([source.pk])


def _never_used(_source: Source, _stand_in: SegmentStandIn) -> None:
    pass


def _refused(source: Source, _stand_in: SegmentStandIn) -> None:
    capture(source.tenant_id, track(event="Email Opened", user_id="", properties={}), sources=[source])


def _answered(status: int) -> Callable[[Source, SegmentStandIn], None]:
    def answered(source: Source, stand_in: SegmentStandIn) -> None:
        _opened(source)
        stand_in.fault("us", "status", status=status, count=1)
        take_turn([source.pk])

    return answered


def _waiting_for_long(source: Source, _stand_in: SegmentStandIn) -> None:
    _working(source, _stand_in)
    _opened(source)
    Event.objects.filter(source=source).update(captured_at=timezone.now() - timedelta(hours=2))


def _shadow(source: Source, _stand_in: SegmentStandIn) -> None:
    enter_shadow(source)
    _opened(source)


def _paused(source: Source, _stand_in: SegmentStandIn) -> None:
    pause_source(source)
    _opened(source)


def _disconnected(source: Source, _stand_in: SegmentStandIn) -> None:
    _opened(source)
    disconnect_source(source)


STATES: Final[Mapping[str, Callable[[Source, SegmentStandIn], None]]] = {
    "working": _working,
    "unverified": _unverified,
    "never_used": _never_used,
    "refused": _refused,
    "held": _answered(401),
    "failing": _answered(503),
    "given_up": _answered(501),
    "backlog": _waiting_for_long,
    "shadow": _shadow,
    "paused": _paused,
    "disconnected": _disconnected,
}

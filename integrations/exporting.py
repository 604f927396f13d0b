"""What this app has of a company, for its export: sources without their write keys, API keys without their digests."""

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject

from integrations.models import AnonymousId, ApiKey, Person, PersonKey, Source
from tenants.exports.parts import Part, exporting, part_of
from tenants.models import Tenant


def connect() -> None:
    exporting.connect(parts, dispatch_uid="integrations: exporting")


def parts(*, tenant: Tenant, **_kwargs: Any) -> list[Part]:
    own, sources = [tenant.pk], source_ids()
    ids = (
        PersonKey.objects.filter(person=OuterRef("pk")).order_by("pk").values(json=JSONObject(kind="kind", id="value"))
    )
    return [
        part_of(
            "segment/sources", "The connections to Segment, without their write keys.", Source.objects.all(),
            "id", "name", "region", "state", "version", "confirmed_version", "identity", "events_off", "property_rules",
            "shadow_since", "created_at", "changed_at", by="tenant", groups=own,
        ),
        part_of(
            "segment/api_keys", "The API keys, without what they open with.", ApiKey.objects.all(),
            "purpose", "name", "last_four", "created_at", "last_used_at", "revoked_at",
            by="tenant", groups=own, created_by="created_by__email",
        ),
        part_of(
            "segment/people", "People that Segment told of, with all their ids.",
            Person.objects.annotate(ids=ArraySubquery(ids)),
            "user_id", "email", "group_id", "traits", "ids", "told_at", "seen_at", "created_at",
            by="tenant", groups=own,
        ),
        part_of(
            "segment/anonymous_ids", "The anonymousIds that sources were sent for people without a userId.",
            AnonymousId.objects.all(),
            "value", "tool_id", "email", "user_id", "sent_at", by="source", groups=sources, source="source_id",
        ),
    ]  # fmt: skip


def source_ids() -> list[int]:
    """Of the tenant in scope."""
    return list(Source.objects.order_by("pk").values_list("pk", flat=True))

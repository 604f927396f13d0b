"""Staff's view of the people that Segment has told of, and of the keys that programs come with."""

import json
from collections.abc import Iterable
from typing import Any, Final

from django.contrib import admin
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from integrations.models import ApiKey, Person
from integrations.staff_admin import (
    NOTHING,
    StaffAdmin,
    WithinFilter,
    at,
    badge,
    link,
    related,
    table_card,
    tenants_named,
    text_card,
)

NEWEST_PEOPLE: Final = 100_000
"""How far back people are filtered: what is rare would be looked for among all of them."""

MOST_FOUND: Final = 1_000
"""People whom one search shows."""

FIND: Final = """
SELECT found.id FROM tenants_tenant AS tenant CROSS JOIN LATERAL (
    SELECT person_id AS id FROM integrations_personkey
    WHERE tenant_id = tenant.id AND kind IN ('user', 'anonymous') AND value = %(term)s
    UNION ALL
    SELECT id FROM integrations_person
    WHERE tenant_id = tenant.id AND email = lower(%(term)s) AND email <> '' AND user_id <> ''
    UNION ALL
    (
        SELECT person_id FROM integrations_personkey
        WHERE tenant_id = tenant.id AND tenant.id = ANY(%(named)s) LIMIT %(most)s
    )
) AS found LIMIT %(most)s
"""
# Company by company, because that is how the indexes begin: few thousands of look-ups, whoever many people there are.


class NamedFilter(admin.SimpleListFilter):
    title = "userId"
    parameter_name = "named"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Known"), ("no", "Still anonymous")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"yes", "no"}:
            return queryset
        newest = Person.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        recent = queryset.filter(pk__gt=newest - NEWEST_PEOPLE)
        return recent.filter(user_id="") if self.value() == "no" else recent.exclude(user_id="")


@admin.register(Person)
class PersonAdmin(StaffAdmin):
    list_display = ("who", "tenant_link", "address", "group", "told", "seen")
    list_filter = (NamedFilter,)
    list_select_related = ("tenant",)
    search_fields = ("user_id",)
    search_help_text = "userId or anonymousId, address of somebody with a userId, company (name or slug)"
    fields = (("who", "tenant_link"), ("address", "group"), ("told", "seen"), "made")
    readonly_fields = ("who", "tenant_link", "address", "group", "told", "seen", "made")

    def search_condition(self, term: str) -> Q:
        with connection.cursor() as cursor:
            cursor.execute(FIND, {"term": term, "named": tenants_named(term), "most": MOST_FOUND})
            return Q(pk__in=[person_id for (person_id,) in cursor.fetchall()])

    @admin.display(description="userId")
    def who(self, person: Person) -> str:
        return person.user_id or "anonymous"

    @admin.display(description="tenant")
    def tenant_link(self, person: Person) -> str:
        return link(person.tenant)

    @admin.display(description="address")
    def address(self, person: Person) -> str:
        return person.email or NOTHING

    @admin.display(description="group")
    def group(self, person: Person) -> str:
        return person.group_id or NOTHING

    @admin.display(description="newest word (UTC)")
    def told(self, person: Person) -> str:
        return at(person.told_at)

    @admin.display(description="seen, to the hour (UTC)")
    def seen(self, person: Person) -> str:
        return at(person.seen_at)

    @admin.display(description="kept since (UTC)")
    def made(self, person: Person) -> str:
        return at(person.created_at)

    def cards_after(self, request: HttpRequest, obj: Any) -> Iterable[dict[str, Any]]:
        ids = obj.keys.order_by("kind", "-pk")[:MOST_FOUND]
        return [
            table_card("Ids that lead here", ["Kind", "Id"], [(key.get_kind_display(), key.value) for key in ids]),
            text_card("Traits", json.dumps(obj.traits, indent=2, ensure_ascii=False)),
        ]


class UseFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("in_use", "In use"), ("revoked", "Revoked")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "in_use":
                return queryset.filter(revoked_at=None)
            case "revoked":
                return queryset.exclude(revoked_at=None)
            case _:
                return queryset


@admin.register(ApiKey)
class ApiKeyAdmin(StaffAdmin):
    """Keys without their digests: of each, the last four characters."""

    time_field = "last_used_at"
    list_display = ("name", "tenant_link", "purpose", "hint", "state", "used")
    list_filter = (UseFilter, "purpose", WithinFilter)
    list_select_related = ("tenant",)
    search_fields = ("name",)
    search_help_text = "Name of the key, its last four characters, company (name or slug)"
    fields: Iterable[Any] = (
        ("name", "tenant_link"),
        ("purpose", "hint"),
        ("state", "signature"),
        ("made", "made_by"),
        ("used", "revoked"),
    )
    readonly_fields = ("tenant_link", "hint", "state", "signature", "made", "made_by", "used", "revoked")

    def search_condition(self, term: str) -> Q:
        return Q(name__icontains=term) | Q(last_four=term) | Q(tenant__in=tenants_named(term))

    @admin.display(description="tenant")
    def tenant_link(self, key: ApiKey) -> str:
        return link(key.tenant)

    @admin.display(description="key")
    def hint(self, key: ApiKey) -> str:
        return f"…{key.last_four}"

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        return badge("Revoked") if key.revoked_at else badge("In use", "success")

    @admin.display(description="signature")
    def signature(self, key: ApiKey) -> str:
        return "checked by a shared secret" if related(key, "shared_secret") else "not checked"

    @admin.display(description="made by")
    def made_by(self, key: ApiKey) -> str:
        return link(key.created_by) if key.created_by else "the command line"

    @admin.display(description="made (UTC)")
    def made(self, key: ApiKey) -> str:
        return at(key.created_at)

    @admin.display(description="last used (UTC)")
    def used(self, key: ApiKey) -> str:
        return at(key.last_used_at)

    @admin.display(description="revoked (UTC)")
    def revoked(self, key: ApiKey) -> str:
        return at(key.revoked_at)

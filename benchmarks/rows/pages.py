"""Every page of a company with a great many sources and members, and staff's lists of it, as a browser waits for it.

Which pages there are is told by the URL configuration, and by tests/pages/rows.py who sees them.
"""

from collections.abc import Collection
from contextlib import closing
from typing import Final

from django.conf import settings
from django.urls import reverse

from benchmarks.bench import Bench
from benchmarks.company import Company, make_company
from benchmarks.measured import Measured
from benchmarks.web import Browser, wait_until_it_answers, web
from tenants.enums import Role
from tenants.models import Membership, User
from tests.conftest import logged_in
from tests.pages.addresses import all_addresses
from tests.pages.rows import row_of
from tests.pages.world import World

TIMES: Final = 7
BAR: Final = 300

NOT_LOOKED_AT: Final = ("campaigns:", "tenants:export_file")
"""The example product, which knows nothing of sources; and a file."""

ASKED: Final = {
    "tenants:members": ["?q=member-77", "?page=100"],
    "tenants:invitations": ["?page=100"],
    "tenants:audit": ["?what=shop+77", "?person=member-77", "?what=nothing", "?page=1000"],
    "integrations:segment": ["?q=shop+77", "?q=nothing", "?page=100"],
    "integrations:api_keys": ["?q=server+77"],
    "delivery:delivery": [
        "?before=100000", "?name=opened", "?name=nothing", "?user=user-77", "?user=nobody", "?user=user-77&name=opened",
        *(f"?state={state}" for state in ("waiting", "accepted", "set_aside", "quarantined", "discarded")),
        "?state=accepted&name=nothing", "?state=waiting&name=nothing", "?state=waiting&before=1000000",
    ],
    "delivery:refusals": ["?before=1000", "?name=purchase", "?name=nothing", "?user=user-77", "?reason=too_large"],
    "delivery:attempts": ["?before=1000"],
    "staff_board": ["?q=shop+77", "?state=held", "?state=backlog", "?page=100"],
    "staff_review": ["?tenant=large"],
    "admin:delivery_event_changelist": [
        "?q=large", "?q=user-77", "?q=email+opened", "?q=nothing", "?state=waiting", "?state=quarantined", "?region=eu",
        "?within=24h", "?p=999",
    ],
    "admin:delivery_batch_changelist": ["?q=large", "?q=user-77", "?state__exact=set_aside", "?within=24h"],
    "admin:delivery_attempt_changelist": ["?q=large", "?q=user-77", "?outcome__exact=rejected", "?within=24h"],
    "admin:delivery_refusal_changelist": ["?q=large", "?q=user-77", "?q=nothing", "?reason__exact=too_large"],
    "admin:delivery_lane_changelist": ["?q=large"],
    "admin:delivery_incident_changelist": ["?q=large"],
    "admin:delivery_fileimport_changelist": ["?q=large"],
    "admin:integrations_source_changelist": ["?q=shop+77", "?q=nothing", "?p=199"],
    "admin:integrations_person_changelist": ["?q=user-77", "?q=nothing"],
    "admin:integrations_apikey_changelist": ["?q=server+77"],
    "admin:tenants_user_changelist": ["?q=member-77", "?p=99"],
    "admin:tenants_membership_changelist": ["?q=member-77", "?q=large", "?p=99"],
    "admin:tenants_tenant_changelist": ["?q=large", "?q=member-77"],
    "admin:tenants_invitation_changelist": ["?q=invited-77", "?q=large"],
    "admin:tenants_auditentry_changelist": ["?q=shop+77", "?q=nothing"],
    "admin:account_emailaddress_changelist": ["?q=member-77"],
}  # fmt: skip  # a line a page, where it fits
"""What is searched, filtered and paged far back to, beside the page itself."""

OF_ONE: Final = (
    *(f"admin:delivery_{model}_change" for model in ("event", "batch", "attempt", "refusal", "lane")),
    *(f"admin:integrations_{model}_change" for model in ("source", "person", "apikey")),
    *(f"admin:tenants_{model}_change" for model in ("tenant", "user", "membership")),
)
"""Staff's pages of one of many: of the first there is."""


def pages(bench: Bench) -> Measured:
    """The median of each page's times, on a connection that is kept, without scripts and styles; the slowest counts."""
    company = make_company(bench)
    detail: dict[str, float] = {}
    with web(bench.servers.folder) as port:
        wait_until_it_answers(port)
        for user, paths in ((company.owner, _of_the_company(company)), (company.staff, _of_staff(company))):
            bench.say(f"{len(paths)} pages, looked at by {user}")
            with closing(Browser(port, _cookie(user))) as browser:
                detail |= {name: browser.median_ms(path, bench.size(TIMES)) for name, path in paths.items()}
    slowest = max(detail, key=lambda name: detail[name])
    ordered = dict(sorted(detail.items(), key=lambda page: -page[1]))
    return Measured(detail[slowest], detail[slowest] < BAR, ordered, of=slowest)


def _cookie(user: User) -> str:
    return f"{settings.SESSION_COOKIE_NAME}={logged_in(user).cookies[settings.SESSION_COOKIE_NAME].value}"


def _of_the_company(company: Company) -> dict[str, str]:
    """The paths of the pages that its owner sees, by name."""
    names = [
        address.name
        for address in all_addresses("config.urls")
        if address.is_of_a_tenant
        and not address.name.startswith(NOT_LOOKED_AT)
        and row_of(address).expected()["owner"] == 200
    ]
    live = reverse("delivery:go_live", args=[company.tenant.slug, company.shadow.pk])
    return _paths(company, names) | {
        "delivery:go_live": live,
        "delivery:go_live?catch_up=all": f"{live}?catch_up=all",
        "delivery:resend_given_up": reverse("delivery:resend_given_up", args=[company.tenant.slug, company.source.pk]),
        "usersessions_list": reverse("usersessions_list"),
    }


def _of_staff(company: Company) -> dict[str, str]:
    """The paths of the lists and of some other pages, by name."""
    names = [address.name for address in all_addresses("config.urls") if address.name.endswith("_changelist")]
    return _paths(company, ["admin:index", "staff_board", "staff_review", *names, *OF_ONE])


def _paths(company: Company, names: Collection[str]) -> dict[str, str]:
    world = World({}, _arguments(company))
    paths = {
        address.name: row_of(address).path(address, world)
        for address in all_addresses("config.urls")
        if address.name in names
    }
    return {f"{name}{query}": f"{path}{query}" for name, path in paths.items() for query in ("", *ASKED.get(name, ()))}


def _arguments(company: Company) -> dict[str, str]:
    """Of the addresses, by name. The first event is in a batch that was tried five times and set aside."""
    viewer = Membership.objects.filter(tenant=company.tenant, role=Role.VIEWER).earliest("pk")
    return {
        "tenant_slug": company.tenant.slug,
        "source_id": str(company.source.pk),
        "user_id": str(viewer.user_id),
        "key_id": str(company.inbound_key.pk),
        "inbound_key": str(company.inbound_key.pk),
        "event_id": "1",
        "refusal_id": "1",
        "invitation_id": "1",
    }

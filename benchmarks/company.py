"""A company with 10,000 sources and 10,000 members, and one source of it with a long log: made by plain SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

from benchmarks.bench import Bench
from benchmarks.keys import write_key
from delivery.partitions import make_room
from integrations.api_keys import issue_api_key
from integrations.enums import KeyPurpose, Region
from integrations.models import ApiKey, Source
from integrations.secrets import Secret
from integrations.services import connect_source
from tenants.models import Tenant, User
from tenants.services import create_tenant

SIZES: Final = {
    "sources": 10_000,
    "members": 10_000,
    "invitations": 10_000,
    "entries": 100_000,
    "people": 50_000,
    "api_keys": 1_000,
    "incidents": 1_000,
    "companies": 1_000,
    "events": 1_100_000,
    "refusals": 100_000,
}
"""Of everything at full size. Of ten in eleven events the source is the large one, and a tenth of them wait."""

IN_A_BATCH: Final = 45

OTHER_COMPANIES: Final = """
INSERT INTO tenants_tenant (name, slug, created_at)
SELECT 'Company ' || n, 'company-' || n, now() FROM generate_series(1, %(companies)s) AS n
"""

SOURCES: Final = """
INSERT INTO integrations_source (
    tenant_id, name, region, state, version, identity, events_off, property_rules, confirmed_version, created_at,
    changed_at
) SELECT %(tenant)s, 'Shop ' || n, CASE WHEN n %% 50 = 0 THEN 'eu' ELSE 'us' END,
    CASE WHEN n %% 100 = 0 THEN 'paused' ELSE 'connected' END, 1, 'user_id', '{}', '{}', (n %% 20 <> 0)::int,
    now() - interval '60 days', now() - interval '1 day'
FROM generate_series(1, %(sources)s - 2) AS n;
INSERT INTO integrations_writekey (id, source_id, ciphertext, last_four, fingerprint, saved_at)
SELECT gen_random_uuid(), id, '', lpad((id %% 10000)::text, 4, '0'), lpad(to_hex(id), 16, '0'), created_at
FROM integrations_source ON CONFLICT DO NOTHING;
INSERT INTO delivery_lane (
    source_id, failures, mark, hold, hold_reason, held_at, accepted_version, rejections, last_accepted_at
) SELECT id, 0, 0, held.hold, CASE WHEN held.hold <> '' THEN 'Segment answered 401.' ELSE '' END,
    CASE WHEN held.hold <> '' THEN now() - interval '2 hours' END, 1, 0, now() - interval '10 seconds'
FROM integrations_source
CROSS JOIN LATERAL (SELECT CASE WHEN id %% 1000 = 7 THEN 'key_refused' ELSE '' END AS hold) AS held
ON CONFLICT DO NOTHING
"""

MEMBERS: Final = """
WITH made AS (
    INSERT INTO tenants_user (
        email, password, is_superuser, is_staff, is_active, date_joined, first_name, last_name
    ) SELECT 'member-' || n || '@large.test', '!', false, false, true, now(), '', ''
    FROM generate_series(1, %(members)s - 1) AS n
    RETURNING id, email
), confirmed AS (
    INSERT INTO account_emailaddress (user_id, email, verified, "primary") SELECT id, email, true, true FROM made
)
INSERT INTO tenants_membership (tenant_id, user_id, role, created_at)
SELECT %(tenant)s, id, CASE WHEN id %% 10 = 0 THEN 'admin' ELSE 'viewer' END, now() FROM made;
INSERT INTO tenants_invitation (tenant_id, email, role, digest, invited_by_id, created_at, sent_at, sends, expires_at)
SELECT %(tenant)s, 'invited-' || n || '@large.test', 'viewer', sha256(n::text::bytea), %(owner)s,
    now() - interval '1 day', now() - interval '1 day', 1, now() + interval '6 days'
FROM generate_series(1, %(invitations)s) AS n;
INSERT INTO tenants_auditentry (tenant_id, by_id, by_label, deed, subject, details, at)
SELECT %(tenant)s, %(owner)s, 'member-' || n %% %(members)s || '@large.test', deeds[1 + n %% 4],
    'Shop ' || n %% %(sources)s, '{}', now() - interval '1 minute' * (%(entries)s - n)
FROM generate_series(1, %(entries)s) AS n
CROSS JOIN (SELECT ARRAY['paused', 'resumed', 'replaced the write key of', 'changed what is sent to'] AS deeds) AS done
"""

API_KEYS: Final = """
INSERT INTO integrations_apikey (tenant_id, purpose, name, last_four, digest, created_by_id, created_at)
SELECT %(tenant)s, CASE WHEN n %% 10 = 0 THEN 'inbound' ELSE 'ingest' END, 'Server ' || n,
    lpad((n %% 10000)::text, 4, '0'), sha256(('key ' || n)::bytea), %(owner)s, now()
FROM generate_series(1, %(api_keys)s) AS n
"""

PEOPLE: Final = """
WITH made AS (
    INSERT INTO integrations_person (tenant_id, user_id, email, group_id, traits, told_at, seen_at, created_at)
    SELECT %(tenant)s, 'user-' || n, 'person-' || n || '@example.com', '', '{"plan": "basic"}', now(), now(), now()
    FROM generate_series(1, %(people)s) AS n
    RETURNING id, tenant_id, user_id
)
INSERT INTO integrations_personkey (tenant_id, person_id, kind, value) SELECT tenant_id, id, 'user', user_id FROM made
"""

EVENTS: Final = """
INSERT INTO delivery_event (
    tenant_id, source_id, occurred_at, captured_at, message_id, bytes, type, name, user_id, payload
) SELECT %(tenant)s, source_id, at, at, message_id, octet_length(payload), 'track', name, user_id, payload
FROM (
    SELECT n, CASE WHEN n %% 11 = 0 THEN %(source)s + 1 + n / 11 %% (%(sources)s - 1) ELSE %(source)s END AS source_id,
        now() - interval '30 days' * (1 - n::float / %(events)s) AS at, gen_random_uuid() AS message_id,
        'user-' || 1 + n %% %(people)s AS user_id, (ARRAY[
            'Email Delivered', 'Email Opened', 'Email Link Clicked', 'Email Bounced', 'Unsubscribed'
        ])[1 + n / 11 %% 5] AS name
    FROM generate_series(1, %(events)s) AS n
) AS event
CROSS JOIN LATERAL format(
    '{"event":"%%s","userId":"%%s","properties":{"email_id":"email-%%s","campaign_id":"campaign-123",'
    '"campaign_name":"New Customer Discount","link_url":"https://www.example.com/?promo=NEWCUSTOMER"},"context":'
    '{"traits":{"email":"person-%%s@example.com"},"integration":{"name":"headwater","version":"1.0.0"}},'
    '"type":"track","timestamp":"2026-01-31T09:30:00.000Z","messageId":"%%s"}',
    name, user_id, n, n, message_id
) AS payload
ORDER BY n;
INSERT INTO delivery_pending (source_id, event_id, bytes)
SELECT source_id, id, bytes FROM delivery_event WHERE id > %(sent)s
"""

# The last of them are accepted as long as pages are looked at: the page of a backlog tells when it will be done.
BATCHES: Final = """
INSERT INTO delivery_batch (
    tenant_id, source_id, event_ids, event_count, bytes, state, reason, attempts_made, tries, crashes,
    ambiguous_region, waiting_since, created_at, closed_at
) SELECT %(tenant)s, source_id, ids, cardinality(ids), bytes, placed.state,
    CASE placed.state WHEN 'accepted' THEN '' ELSE 'Segment answered 400: it did not take these events.' END,
    1, 1, 0, '', at, at,
    CASE WHEN ids[1] > %(sent)s * 0.99 THEN now() + interval '5 minutes' ELSE at + interval '1 second' END
FROM (
    SELECT source_id, array_agg(id ORDER BY id) AS ids, sum(bytes) AS bytes, max(captured_at) AS at,
        row_number() OVER (ORDER BY max(id)) AS n
    FROM (
        SELECT id, source_id, bytes, captured_at,
            row_number() OVER (PARTITION BY source_id ORDER BY id) / %(in_a_batch)s AS place
        FROM delivery_event WHERE id <= %(sent)s
    ) AS event GROUP BY source_id, place
) AS made
CROSS JOIN LATERAL (SELECT CASE n %% 400
    WHEN 1 THEN 'set_aside' WHEN 2 THEN 'quarantined' WHEN 3 THEN 'discarded' ELSE 'accepted'
END AS state) AS placed
ORDER BY at;
INSERT INTO delivery_attempt (
    batch_id, source_id, number, region, source_version, lease_token, started_at, finished_at, outcome, ambiguous,
    status_code, answer
) SELECT id, source_id, number, 'us', 1, gen_random_uuid(), created_at, closed_at, outcome, outcome = 'server_error',
    CASE outcome WHEN 'accepted' THEN 200 WHEN 'server_error' THEN 500 ELSE 400 END, '{"success": true}'
FROM delivery_batch
CROSS JOIN LATERAL generate_series(1, CASE state WHEN 'set_aside' THEN 5 ELSE 1 END) AS number
CROSS JOIN LATERAL (SELECT CASE state
    WHEN 'accepted' THEN 'accepted' WHEN 'set_aside' THEN 'server_error' ELSE 'rejected'
END AS outcome) AS answered
ORDER BY id
"""

REFUSALS: Final = """
INSERT INTO delivery_refusal (tenant_id, source_id, reason, type, name, user_id, findings, excerpt, refused_at)
SELECT %(tenant)s, %(source)s, (ARRAY['spec', 'too_large', 'no_identity'])[1 + n %% 3], 'track',
    (ARRAY['Email Opened', 'Purchase'])[1 + n %% 2], 'user-' || 1 + n %% %(people)s,
    '[{"severity": "error", "code": "properties_not_object", "path": "properties", "message": "It is a text.", '
    '"remedy": "Send an object."}]',
    '{"type":"track","event":"Email Opened","userId":"user-' || n || '","properties":"email-' || n || '"}',
    now() - interval '30 days' * (1 - n::float / %(refusals)s)
FROM generate_series(1, %(refusals)s) AS n
"""

INCIDENTS: Final = """
INSERT INTO delivery_incident (tenant_id, source_id, kind, reason, opened_at, closed_at, is_news, told_at)
SELECT %(tenant)s, %(source)s + n %% %(sources)s, 'backlog', 'The oldest event has waited for 31 minutes.',
    at, at + interval '1 hour', false, at
FROM generate_series(1, %(incidents)s) AS n
CROSS JOIN LATERAL (SELECT now() - interval '1 hour' * (1 + n) AS at) AS past;
INSERT INTO delivery_incident (tenant_id, source_id, kind, reason, opened_at, is_news, told_at)
SELECT %(tenant)s, source_id, hold, 'Segment refuses the write key.', held_at, false, held_at
FROM delivery_lane WHERE hold <> '';
INSERT INTO delivery_alert (tenant_id, items, created_at)
SELECT %(tenant)s, '[]', now() - interval '1 hour' * n FROM generate_series(1, 100) AS n;
INSERT INTO delivery_alertmail (alert_id, membership_id, state, tries, not_before, error)
SELECT alert.id, member.id, 'sent', 1, alert.created_at, '' FROM delivery_alert AS alert
CROSS JOIN (SELECT id FROM tenants_membership WHERE role <> 'viewer' ORDER BY id LIMIT 10) AS member;
INSERT INTO delivery_fileimport (
    tenant_id, source_id, digest, file_name, file_bytes, position, line, captured, duplicates, refused, requested_by,
    started_at, finished_at
) VALUES (
    %(tenant)s, %(source)s, repeat('0', 64), 'history.jsonl', 100000, 100000, 250, 245, 3, 2, 'operator', now(), now()
)
"""

PARTS: Final = {
    "companies": OTHER_COMPANIES,
    "members, invitations and history": MEMBERS,
    "API keys": API_KEYS,
    "people": PEOPLE,
    "events": EVENTS,
    "batches and requests": BATCHES,
    "refused calls": REFUSALS,
    "incidents": INCIDENTS,
}


@dataclass(frozen=True, slots=True)
class Company:
    """`source` is the large one, `shadow` is not sent. Of events, batches and so on each id from 1 on exists."""

    tenant: Tenant
    owner: User
    staff: User
    source: Source
    shadow: Source
    inbound_key: ApiKey
    sizes: Mapping[str, int]


def make_company(bench: Bench) -> Company:
    """In a database that is empty."""
    sizes = {name: bench.size(size, at_least=10) for name, size in SIZES.items()}
    company = _founded(sizes)
    make_room(sizes["events"])
    values = sizes | {
        "tenant": company.tenant.pk,
        "owner": company.owner.pk,
        "source": company.source.pk,
        "sent": sizes["events"] * 9 // 10,
        "in_a_batch": IN_A_BATCH,
    }
    with connection.cursor() as cursor:
        for name, statements in {"sources": SOURCES, **PARTS}.items():
            bench.say(f"a large company: {name}")
            cursor.execute(statements, values)
    bench.settle()
    return company


@transaction.atomic
def _founded(sizes: Mapping[str, int]) -> Company:
    owner = User.objects.create_user("owner@large.test")
    tenant = create_tenant("Large", owner, slug="large")
    source, shadow = (
        connect_source(tenant, name=name, region=Region.US, write_key=Secret(write_key(number)), in_shadow=in_shadow)
        for number, (name, in_shadow) in enumerate([("Production", False), ("Rehearsal", True)])
    )
    inbound_key, _text = issue_api_key(tenant, KeyPurpose.INBOUND, name="Segment", by=owner)
    return Company(
        tenant=tenant, owner=owner, staff=User.objects.create_superuser("staff@headwater.test"), source=source,
        shadow=shadow, inbound_key=inbound_key, sizes=sizes,
    )  # fmt: skip  # a field a word

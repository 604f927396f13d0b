"""What a source leaves out of its calls, or sends as a keyed hash: by name, in properties and traits of every call.

A hash is HMAC-SHA-256 with a key of the tenant's own: the same value gives the same hash in every event and source of
the tenant, so that it can still be counted and joined, and nobody without the key can try values on it.
"""

import hmac
from collections.abc import Mapping
from typing import Any, Final

import orjson

from integrations.enums import PropertyRule
from integrations.secrets import derive_key
from integrations.spec.calls import Call

Rules = Mapping[str, str]

_SORTED: Final = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def apply_rules(rules: Rules, tenant_id: int, call: Any) -> Any:
    """The call by these rules: a new one, or the same when it has none of the properties."""
    if not (rules and isinstance(call, dict)):
        return call
    changed = {part: _ruled(rules, tenant_id, call.get(part)) for part in ("properties", "traits")}
    context = call.get("context")
    if isinstance(context, dict):
        traits = _ruled(rules, tenant_id, context.get("traits"))
        changed["context"] = context if traits is context.get("traits") else {**context, "traits": traits}
    new = {part: value for part, value in changed.items() if value is not call.get(part)}
    return {**call, **new} if new else call


def hashed(tenant_id: int, value: Any) -> str:
    """64 hex digits. A text is hashed as it is, anything else as its JSON: 7 and "7" are one value."""
    return hmac.digest(_tenants_key(tenant_id), _text_of(value), "sha256").hex()


def properties_of(call: Call) -> dict[str, Any]:
    """What the rules can name in a call, by name; for pages that show the choice."""
    context = call.get("context")
    in_context = context.get("traits") if isinstance(context, dict) else None
    parts = [part for part in (in_context, call.get("traits"), call.get("properties")) if isinstance(part, dict)]
    return {name: value for part in parts for name, value in part.items()}


def _ruled(rules: Rules, tenant_id: int, part: Any) -> Any:
    if not isinstance(part, dict) or part.keys().isdisjoint(rules):
        return part
    kept = ((name, value) for name, value in part.items() if rules.get(name) != PropertyRule.DROP)
    return {name: _hidden(tenant_id, value) if name in rules else value for name, value in kept}


def _hidden(tenant_id: int, value: Any) -> str | None:
    """Null says that nothing is known, and stays."""
    return None if value is None else hashed(tenant_id, value)


def _text_of(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    try:
        return orjson.dumps(value, str, _SORTED)
    except TypeError:
        # An integer beyond 64 bits, for one. The value must not come through because its form is unusual.
        return repr(value).encode(errors="surrogatepass")


def _tenants_key(tenant_id: int) -> bytes:
    return hmac.digest(derive_key(b"property"), str(tenant_id).encode(), "sha256")

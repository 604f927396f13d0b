"""What a source's own settings change of a call, before it is encoded.

Most sources change nothing: they share one encoding, and cost three looks at attributes (`is_plain`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from integrations.anonymous import Stranger, name_by_anonymous_id, remember
from integrations.enums import IdentityMode
from integrations.identity import MAX_ID_CHARACTERS, email_anonymous_id, is_somebody, tool_anonymous_id
from integrations.models import Source
from integrations.property_rules import apply_rules
from integrations.spec.calls import Call
from integrations.trial import is_trial


def is_plain(source: Source) -> bool:
    """Whether the source takes calls as they are."""
    return not (source.events_off or source.property_rules) and source.identity == IdentityMode.USER_ID


def is_wanted(source: Source, call: Any) -> bool:
    """Whether the source takes the call: a track by its event, anything else always."""
    if not (source.events_off and isinstance(call, dict) and call.get("type") == "track"):
        return True
    return call.get("event") not in source.events_off or is_trial(call)


def shape(source: Source, call: Call) -> Call:
    """The call as this source wants it: a new one, or the same when there is nothing to change.

    A call without a userId gets the anonymousId that the source opted in to, if it tells enough to make one. Then the
    rules for properties are applied: an anonymousId is made of what is left out, too.
    """
    shaped: Call = _ruled(source, _identified(source, call))
    return shaped


@dataclass(frozen=True, slots=True)
class Shaped:
    """The calls as a source wants them, and what they tell: who has no userId, by the call of theirs, and userIds by
    the anonymousId that their person would have without.
    """

    calls: list[Any]
    strangers: list[tuple[Call, Stranger]]
    user_ids: dict[str, str]


def shape_all(source: Source, calls: Sequence[Any]) -> Shaped:
    """Of these calls those that the source wants; before them an identify for each person named now.

    In the caller's transaction. One statement asks whose userId has become known, if any call tells one.
    `note_strangers` is due once they are captured.
    """
    wanted = [call for call in calls if is_wanted(source, call)]
    identified = [_identified(source, call) for call in wanted]
    shaped = [_ruled(source, call) for call in identified]
    strangers = [
        (call, _stranger(as_told))
        for call, as_told, given in zip(shaped, identified, wanted, strict=True)
        if as_told is not given
    ]
    user_ids = _user_ids(source, identified)
    return Shaped(_named(source, user_ids) + shaped, strangers, user_ids)


def note_strangers(source: Source, shaped: Shaped, refused: Iterable[Any]) -> list[Call]:
    """Note whom the source was sent under an anonymousId: not those whose calls, of `refused`, it was not sent.

    One statement, none when there is nobody. Gives back the identifies that are due of people whom these very calls
    have named as well.
    """
    not_sent = {id(call) for call in refused}
    sent = [stranger for call, stranger in shaped.strangers if id(call) not in not_sent]
    remember(source, sent)
    known = {each.anonymous_id for each in sent} & shaped.user_ids.keys()
    return _named(source, {anonymous_id: shaped.user_ids[anonymous_id] for anonymous_id in known})


def _named(source: Source, user_ids: dict[str, str]) -> list[Any]:
    return [_ruled(source, call) for call in name_by_anonymous_id(source, user_ids)]


def _identified(source: Source, call: Any) -> Any:
    if not lacks_identity(call):
        return call
    anonymous_id = anonymous_id_of(source, call)
    return {**call, "anonymousId": anonymous_id} if anonymous_id else call


def _ruled(source: Source, call: Any) -> Any:
    """By the source's rules. A test event has nothing of anybody in it, and its code has to arrive."""
    return call if is_trial(call) else apply_rules(source.property_rules, source.tenant_id, call)


def lacks_identity(call: Any) -> bool:
    return isinstance(call, dict) and call.get("userId") is None and call.get("anonymousId") is None


def anonymous_id_of(source: Source, call: Call) -> str:
    """The anonymousId of the call's person under the source's settings; empty when there is none."""
    return anonymous_id_by(source.identity, source.tenant_id, tool_id_of(call), email_of(call))


def anonymous_id_by(identity: str, tenant_id: int, tool_id: str, email: str) -> str:
    """The anonymousId of somebody under this setting; empty when there is none."""
    match identity:
        case IdentityMode.TOOL_ID:
            return tool_anonymous_id(tool_id)
        case IdentityMode.EMAIL_HASH:
            return email_anonymous_id(tenant_id, email)
        case _:
            return ""


def tool_id_of(call: Call) -> str:
    """The product's own id of the person, from the context; empty when it is not there."""
    return _text(_object(call.get("context")).get(settings.INTEGRATION_TOOL_ID_FIELD))


def email_of(call: Call) -> str:
    """The person's address, a trait: of an identify its own, of other calls in the context."""
    traits = _object(call.get("traits")) if call.get("type") == "identify" else {}
    in_context = _object(_object(call.get("context")).get("traits"))
    return _text(traits.get("email")) or _text(in_context.get("email"))


def _stranger(call: Call) -> Stranger:
    return Stranger(call["anonymousId"], tool_id_of(call), email_of(call))


def _user_ids(source: Source, calls: Sequence[Any]) -> dict[str, str]:
    """The userIds that the calls tell, by the anonymousId that their person would have without."""
    told = [call for call in calls if isinstance(call, dict) and is_somebody(call.get("userId"))]
    named = {anonymous_id_of(source, call): call["userId"] for call in told}
    return {anonymous_id: user_id for anonymous_id, user_id in named.items() if anonymous_id}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    """A text that can be an id or an address, else empty: what no database takes must not spoil the calls beside it."""
    usable = isinstance(value, str) and len(value) <= MAX_ID_CHARACTERS and value.isprintable()
    return value if usable else ""

"""What messages change of the people that are known: decided in memory, over what was read, in the order they came.

Rules, in docs/inbound.md too: a userId is one person; an anonymousId belongs to whoever was identified with it last; an
anonymous person who is identified becomes that userId's; two userIds are one person only by an alias.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from integrations.enums import PersonKeyKind
from integrations.inbound.parsing import MAX_TRAITS, Fields, Message
from integrations.models import Person

Key = tuple[str, str]
"""Kind and value of a PersonKey."""

SEEN_EVERY: Final = timedelta(hours=1)
"""How exact `Person.seen_at` is: somebody who is there all day costs one write an hour, not one for each page."""


class Book:
    """The people that were read, by each of their keys, and what messages make of them."""

    def __init__(self, tenant_id: int, people: Mapping[Key, Person], now: datetime) -> None:
        self.tenant_id = tenant_id
        self.now = now
        self._people = dict(people)
        self._changed: dict[int, Person] = {}
        self._assigned: dict[Key, Person] = {}
        # By identity, because a new person has no id yet. Whoever is in here lives on as somebody else.
        self._joined: dict[int, tuple[Person, Person]] = {}

    def apply(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.type == "alias":
                self._alias(message)
            else:
                self._tell(message)

    @property
    def is_changed(self) -> bool:
        return bool(self._changed or self._assigned)

    def changed(self) -> list[Person]:
        """Whom to write: new people have no id yet."""
        return [person for person in self._changed.values() if self._now(person) is person]

    def assigned(self) -> dict[Key, Person]:
        """The keys that are new or lead to somebody else now."""
        return {key: self._now(person) for key, person in self._assigned.items()}

    def joined(self) -> list[tuple[Person, Person]]:
        """Stored people who are no more, each with who they are now."""
        return [(gone, self._now(gone)) for gone, _stays in self._joined.values() if gone.pk]

    def _find(self, kind: PersonKeyKind, value: str) -> Person | None:
        person = self._people.get((kind, value)) if value else None
        return self._now(person) if person else None

    def _now(self, person: Person) -> Person:
        while id(person) in self._joined:
            person = self._joined[id(person)][1]
        return person

    def _tell(self, message: Message) -> None:
        person = self._meant(message)
        if person is None:
            # What strangers do says nothing of use; who somebody is does.
            if message.type not in {"identify", "group"}:
                return
            person = self._create(message)
        for key in keys_of(message):
            self._assign(key, person)
        if message.user_id and not person.user_id:
            person.user_id = message.user_id
            self._note(person)
        self._learn(person, message)

    def _meant(self, message: Message) -> Person | None:
        """Whom the ids mean: the userId's person, or the anonymous one who turns out to be them."""
        by_user = self._find(PersonKeyKind.USER, message.user_id)
        by_device = self._find(PersonKeyKind.ANONYMOUS, message.anonymous_id)
        if by_device is None or by_device is by_user:
            return by_user
        if by_user is None:
            is_anothers = message.user_id and by_device.user_id
            return None if is_anothers else by_device
        if not by_device.user_id:
            self._join(by_device, by_user)
        return by_user

    def _alias(self, message: Message) -> None:
        person = self._find(PersonKeyKind.USER, message.user_id)
        known = self._known_before(message.previous_id)
        if person is None:
            person = known[0] if known else self._create(message)
            person.user_id = message.user_id
            self._note(person)
        for other in known:
            if self._now(other) is not person:
                self._join(self._now(other), person)
        for key in keys_of(message):
            self._assign(key, person)

    def _known_before(self, previous_id: str) -> list[Person]:
        """Whom an alias renames. Segment's browser library sends the device's id: if it was identified as somebody
        else before, that one only used the same computer.
        """
        by_user = self._find(PersonKeyKind.USER, previous_id)
        by_device = self._find(PersonKeyKind.ANONYMOUS, previous_id)
        stranger = by_device if by_device and not by_device.user_id else None
        return [person for person in (by_user, stranger) if person]

    def _create(self, message: Message) -> Person:
        person = Person(tenant_id=self.tenant_id, user_id=message.user_id, told_at=message.said_at, seen_at=self.now)
        self._note(person)
        return person

    def _assign(self, key: Key, person: Person) -> None:
        if self._find(PersonKeyKind(key[0]), key[1]) is not person:
            self._people[key] = self._assigned[key] = person

    def _join(self, gone: Person, stays: Person) -> None:
        """All that is known of one becomes the other's, who keeps what both have."""
        stays.traits = _bounded({**gone.traits, **stays.traits}, newest=stays.traits)
        stays.email = stays.email or gone.email
        stays.group_id = stays.group_id or gone.group_id
        self._note(stays)
        self._joined[id(gone)] = (gone, stays)

    def _learn(self, person: Person, message: Message) -> None:
        """The newest word counts: a call that comes late adds what is missing, and changes nothing."""
        before = (person.email, person.group_id, person.traits)
        if message.said_at >= person.told_at:
            person.email = message.email or person.email
            person.group_id = message.group_id or person.group_id
            person.traits = _bounded({**person.traits, **message.traits}, newest=message.traits)
        else:
            person.email = person.email or message.email
            person.group_id = person.group_id or message.group_id
            person.traits = _bounded({**message.traits, **person.traits}, newest=person.traits)
        is_stale = self.now - person.seen_at >= SEEN_EVERY
        if is_stale or before != (person.email, person.group_id, person.traits):
            person.told_at = max(person.told_at, message.said_at)
            person.seen_at = self.now if is_stale else person.seen_at
            self._note(person)

    def _note(self, person: Person) -> None:
        self._changed[id(person)] = person


def keys_of(message: Message) -> list[Key]:
    """The keys that a message has; of an alias, those that it joins: the previous id may be of either kind."""
    if message.type == "alias":
        previous = [(kind.value, message.previous_id) for kind in PersonKeyKind]
        return [(PersonKeyKind.USER.value, message.user_id), *previous]
    ids = [(PersonKeyKind.USER.value, message.user_id), (PersonKeyKind.ANONYMOUS.value, message.anonymous_id)]
    return [(kind, value) for kind, value in ids if value]


def _bounded(traits: Fields, *, newest: Fields) -> Fields:
    """No more traits than a person may have; those of `newest` stay."""
    if len(traits) <= MAX_TRAITS:
        return traits
    return {name: traits[name] for name in list({**newest, **traits})[:MAX_TRAITS]}

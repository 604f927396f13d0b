"""What messages make of people, on a real database: the rules of docs/inbound.md, one after the other."""

import threading
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from django.db import connection, transaction
from django.utils import timezone

from delivery.models import Event
from delivery.outbox import capture
from integrations.enums import IdentityMode
from integrations.inbound import keeping
from integrations.inbound.keeping import MAX_DEVICES, keep
from integrations.inbound.parsing import MAX_TRAITS, Message
from integrations.models import Person, PersonKey
from integrations.signals import calls_due
from integrations.spec.calls import track

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def identify(user_id="", anonymous_id="", email="", *, said_at=NOW, **traits):
    return Message(
        type="identify", said_at=said_at, user_id=user_id, anonymous_id=anonymous_id, email=email, traits=traits
    )


def alias(previous_id, user_id):
    return Message(type="alias", said_at=NOW, previous_id=previous_id, user_id=user_id)


def seen(kind, user_id="", anonymous_id="", email="", **more):
    return Message(type=kind, said_at=NOW, user_id=user_id, anonymous_id=anonymous_id, email=email, **more)


def people():
    """userId and address of each person, with the ids that lead there."""
    return {
        (person.user_id, person.email): sorted(person.keys.values_list("kind", "value"))
        for person in Person.objects.all()
    }


def in_any_number_of_requests(tenant, messages, requests):
    """All in one batch, or each in a request of its own: the outcome is the same."""
    if requests == "one":
        keep(tenant.pk, messages)
    else:
        for message in messages:
            keep(tenant.pk, [message])


@pytest.fixture(params=["one", "many"])
def said(request, tenant):
    return lambda *messages: in_any_number_of_requests(tenant, messages, request.param)


def test_people_are_read_in_the_order_of_their_model():
    fields = Person._meta.concrete_fields
    assert [field.attname for field in fields] == keeping.PERSON_FIELDS


def test_an_identify_makes_a_person(said):
    said(identify("u-7", "a-7", "ada@person.test", name="Ada"))
    assert people() == {("u-7", "ada@person.test"): [("anonymous", "a-7"), ("user", "u-7")]}
    assert Person.objects.get().traits == {"name": "Ada"}


def test_a_second_identify_adds_what_is_new(said):
    said(identify("u-7", email="ada@person.test", name="Ada", plan="free"), identify("u-7", "a-7", plan="paid"))
    assert people() == {("u-7", "ada@person.test"): [("anonymous", "a-7"), ("user", "u-7")]}
    assert Person.objects.get().traits == {"name": "Ada", "plan": "paid"}


def test_a_call_that_comes_late_changes_nothing_and_adds_what_is_missing(said):
    late = identify("u-7", email="old@person.test", said_at=NOW - timedelta(hours=1), plan="free", city="London")
    said(identify("u-7", email="new@person.test", plan="paid"), late)
    assert people() == {("u-7", "new@person.test"): [("user", "u-7")]}
    assert Person.objects.get().traits == {"plan": "paid", "city": "London"}


def test_an_anonymous_person_who_is_identified_becomes_that_user(said):
    said(identify("", "a-7", "ada@person.test", name="Ada"), identify("u-7", "a-7", plan="paid"))
    assert people() == {("u-7", "ada@person.test"): [("anonymous", "a-7"), ("user", "u-7")]}
    assert Person.objects.get().traits == {"name": "Ada", "plan": "paid"}


def test_an_anonymous_person_joins_the_user_who_is_known_already(said):
    said(
        identify("u-7", email="ada@person.test", plan="paid"),
        identify("", "a-7", "typo@person.test", plan="free", city="London"),
        identify("u-7", "a-7"),
    )
    assert people() == {("u-7", "ada@person.test"): [("anonymous", "a-7"), ("user", "u-7")]}
    assert Person.objects.get().traits == {"plan": "paid", "city": "London"}


def test_a_device_belongs_to_whoever_was_identified_on_it_last(said):
    said(identify("u-1", "a-7"), identify("u-2", "a-7"))
    assert people() == {("u-1", ""): [("user", "u-1")], ("u-2", ""): [("anonymous", "a-7"), ("user", "u-2")]}


def test_a_person_may_have_many_devices_and_the_oldest_are_forgotten(said):
    said(*[identify("u-7", f"a-{number}") for number in range(MAX_DEVICES + 2)])
    devices = PersonKey.objects.filter(kind="anonymous")
    assert devices.count() == MAX_DEVICES
    assert not devices.filter(value__in=["a-0", "a-1"]).exists()


def test_an_alias_joins_two_users_under_the_new_id(said):
    said(identify("old", email="ada@person.test"), identify("new", plan="paid"), alias("old", "new"))
    assert people() == {("new", "ada@person.test"): [("anonymous", "old"), ("user", "new"), ("user", "old")]}


def test_an_alias_renames_one_user(said):
    said(identify("old", email="ada@person.test"), alias("old", "new"), identify("old", plan="paid"))
    assert people() == {("new", "ada@person.test"): [("anonymous", "old"), ("user", "new"), ("user", "old")]}
    assert Person.objects.get().traits == {"plan": "paid"}


def test_an_alias_before_anything_else_is_remembered(said):
    said(alias("old", "new"), identify("old", email="ada@person.test"))
    assert people() == {("new", "ada@person.test"): [("anonymous", "old"), ("user", "new"), ("user", "old")]}


def test_an_alias_of_a_device_takes_its_stranger_along(said):
    said(identify("", "a-7", "ada@person.test"), alias("a-7", "u-7"))
    assert people() == {("u-7", "ada@person.test"): [("anonymous", "a-7"), ("user", "a-7"), ("user", "u-7")]}


def test_an_alias_of_a_shared_device_joins_no_two_users(said):
    said(identify("u-1", "a-7"), alias("a-7", "u-2"))
    assert people() == {
        ("u-1", ""): [("user", "u-1")],
        ("u-2", ""): [("anonymous", "a-7"), ("user", "a-7"), ("user", "u-2")],
    }


def test_aliases_in_a_ring_and_in_a_row_end(said):
    said(alias("a", "b"), alias("b", "a"), alias("b", "c"), alias("c", "c"), alias("d", "c"))
    assert list(people()) == [("c", "")]


def test_an_alias_joins_a_whole_chain_of_people(said):
    names = ["a", "b", "c", "d"]
    said(*[identify(name, f"device-{name}") for name in names], alias("a", "b"), alias("c", "d"), alias("b", "d"))
    ((person, keys),) = people().items()
    assert person == ("d", "")
    assert [value for kind, value in keys if kind == "user"] == names


@pytest.mark.parametrize("kind", ["track", "page", "screen"])
def test_what_somebody_known_does_refreshes_them(said, kind):
    said(identify("u-7"), seen(kind, "u-7", "a-7", "ada@person.test"))
    assert people() == {("u-7", "ada@person.test"): [("anonymous", "a-7"), ("user", "u-7")]}


@pytest.mark.parametrize("kind", ["track", "page", "screen"])
def test_what_strangers_do_makes_nobody(said, kind):
    said(seen(kind, "u-7", "a-7", "ada@person.test"), seen(kind))
    assert people() == {}


def test_a_group_call_makes_a_person_with_a_group(said):
    said(seen("group", "u-7", group_id="g-1"))
    assert Person.objects.get().group_id == "g-1"


def test_traits_of_a_person_are_bounded_and_the_newest_stay(said):
    said(
        identify("u-7", **{f"old-{number}": 1 for number in range(MAX_TRAITS)}),
        identify("u-7", **{f"new-{number}": 1 for number in range(MAX_TRAITS - 1)}),
    )
    assert sorted(Person.objects.get().traits) == sorted([f"new-{n}" for n in range(MAX_TRAITS - 1)] + ["old-0"])


def test_the_people_of_another_tenant_are_nobody_here(tenant, other_tenant):
    keep(other_tenant.pk, [identify("u-7", "a-7", "ada@person.test")])
    keep(tenant.pk, [identify("u-7", "a-7"), alias("a-7", "u-8")])
    assert [person.email for person in Person.objects.filter(tenant=other_tenant)] == ["ada@person.test"]
    assert PersonKey.objects.filter(tenant=other_tenant, value__in=["u-7", "a-7"]).count() == 2


def test_the_time_somebody_was_seen_is_kept_to_the_hour(tenant):
    keep(tenant.pk, [identify("u-7")])
    Person.objects.update(seen_at=timezone.now() - timedelta(minutes=59))
    before = Person.objects.get().seen_at
    keep(tenant.pk, [seen("page", "u-7")])
    assert Person.objects.get().seen_at == before
    Person.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    keep(tenant.pk, [seen("page", "u-7")])
    assert Person.objects.get().seen_at > before


@pytest.mark.parametrize("count", [1, 3, 300])
def test_messages_that_say_nothing_new_are_one_query(tenant, django_assert_num_queries, count):
    said = [identify(f"u-{number}", f"a-{number}", f"{number}@person.test", n=number) for number in range(count)]
    keep(tenant.pk, said)
    with django_assert_num_queries(1):
        keep(tenant.pk, said)


@pytest.mark.parametrize("count", [1, 3, 300])
def test_a_batch_costs_the_same_queries_whatever_its_size(tenant, django_assert_num_queries, count):
    keep(tenant.pk, [identify(f"u-{number}") for number in range(count)])
    news = [identify(f"u-{number}", f"a-{number}", f"{number}@person.test") for number in range(count)]
    news += [identify(f"new-{number}") for number in range(count)]
    with transaction.atomic(), django_assert_num_queries(9):
        # look, savepoint, lock, look, ids, people and keys, devices, sources; release
        keep(tenant.pk, news)


def test_one_message_with_news_costs_few_queries(tenant, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(8):
        # look, savepoint, lock, look, id, person and keys, sources; release
        keep(tenant.pk, [identify("u-7", "a-7", "7@person.test", plan="free")])
    with transaction.atomic(), django_assert_num_queries(7):
        # the same without an id
        keep(tenant.pk, [identify("u-7", "a-7", "7@person.test", plan="paid")])


def test_somebody_joined_has_no_more_devices_than_anybody(tenant):
    for user_id in ("u-1", "u-2"):
        keep(tenant.pk, [identify(user_id, f"{user_id}-{number}") for number in range(MAX_DEVICES)])
    keep(tenant.pk, [alias("u-1", "u-2")])
    devices = PersonKey.objects.filter(person__user_id="u-2", kind="anonymous").order_by("pk")
    newest = [f"u-2-{number}" for number in range(1, MAX_DEVICES)]
    assert [key.value for key in devices] == [*newest, "u-1"]  # a previousId may be a device's, too


@pytest.mark.django_db(transaction=True)
def test_many_at_once_make_one_person(tenant):
    """Each in a connection of its own, about the same two people in either order."""
    messages = [identify("u-1", "a-1", "one@person.test"), identify("u-2", "a-2", "two@person.test")]
    batches = [messages, messages[::-1], [alias("a-1", "u-1"), *messages], [identify("", "a-2"), *messages]] * 2
    at_once([lambda batch=batch: keep(tenant.pk, batch) for batch in batches])
    assert sorted(people()) == [("u-1", "one@person.test"), ("u-2", "two@person.test")]


def at_once(acts):
    failures = []
    gate = threading.Barrier(len(acts))

    def run(act):
        try:
            gate.wait()
            act()
        except Exception as error:  # noqa: BLE001  # told below, in the test's own thread
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_fails_in_the_middle_keeps_nothing(tenant, source):
    def fail(**_kwargs):
        raise RuntimeError("in the middle")

    source.identity = IdentityMode.TOOL_ID
    source.save()
    capture(tenant.pk, anonymous_call())
    calls_due.connect(fail)
    try:
        with pytest.raises(RuntimeError, match="in the middle"):
            keep(tenant.pk, [identify("u-1"), identify("u-7", email="ada@person.test")])
    finally:
        calls_due.disconnect(fail)
    assert people() == {}
    keep(tenant.pk, [identify("u-7", email="ada@person.test")])
    assert identities(source)[-1] == ("identify", "u-7", "headwater-7")


def anonymous_call():
    context = {"yourToolId": "7", "traits": {"email": "Ada@person.test"}}
    return track(event="Email Opened", properties={"email_id": "e-1"}, context=context)


def identities(source):
    calls = [orjson.loads(event.payload) for event in Event.objects.filter(source=source).order_by("pk")]
    return [(call["type"], call.get("userId"), call.get("anonymousId")) for call in calls]


@pytest.mark.parametrize("mode", [IdentityMode.TOOL_ID, IdentityMode.EMAIL_HASH])
def test_a_source_that_was_sent_an_anonymous_id_is_told_who_it_is_once(tenant, source, mode):
    source.identity = mode
    source.save()
    capture(tenant.pk, anonymous_call())
    ((_type, _user, anonymous_id),) = identities(source)
    keep(tenant.pk, [identify("u-7", email="ada@person.test")])
    keep(tenant.pk, [identify("u-7", email="ada@person.test", plan="paid")])
    assert identities(source) == [("track", None, anonymous_id), ("identify", "u-7", anonymous_id)]


def test_a_source_that_went_back_to_user_ids_is_still_told(tenant, source):
    source.identity = IdentityMode.TOOL_ID
    source.save()
    capture(tenant.pk, anonymous_call())
    source.identity = IdentityMode.USER_ID
    source.save()
    keep(tenant.pk, [identify("u-7", email="ada@person.test")])
    assert identities(source) == [("track", None, "headwater-7"), ("identify", "u-7", "headwater-7")]


@pytest.mark.django_db(transaction=True)
def test_a_source_is_told_once_when_two_learn_it_at_once(tenant, source):
    source.identity = IdentityMode.TOOL_ID
    source.save()
    capture(tenant.pk, anonymous_call())
    told = {**anonymous_call(), "userId": "u-7"}
    known = identify("u-7", email="ada@person.test")
    at_once([lambda: keep(tenant.pk, [known]), lambda: capture(tenant.pk, told), lambda: keep(tenant.pk, [known])])
    assert [kind for kind, *_ids in identities(source)].count("identify") == 1

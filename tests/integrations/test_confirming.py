from datetime import timedelta

import pytest
from django.utils import timezone

from delivery.models import Event
from integrations.confirming import MAX_WRONG_CODES, Answer, confirm, newest_test, send_test
from integrations.enums import IdentityMode, PropertyRule, Region
from integrations.errors import SourceStateError
from integrations.models import ConnectionTest
from integrations.secrets import Secret
from integrations.services import change_region, choose_what_is_sent, pause_source, replace_write_key
from integrations.trial import EVENT
from tenants.scoping import scope
from tests.conftest import OTHER_WRITE_KEY


@pytest.fixture(autouse=True)
def _in_scope(tenant):
    with scope(tenant.pk):
        yield


def a_while_ago():
    ConnectionTest.objects.update(sent_at=timezone.now() - timedelta(minutes=1))


def code_of(source) -> str:
    test = newest_test(source)
    assert test is not None
    return test.code


def test_a_test_event_is_captured_for_the_source_with_the_code(tenant, source):
    assert send_test(source)

    event = Event.objects.get()
    assert (event.source_id, event.name, event.user_id) == (source.pk, EVENT, "headwater-connection-test")
    assert f'"test_code":"{code_of(source)}"' in event.payload


def test_a_test_event_arrives_whatever_the_source_does_not_want(source):
    choose_what_is_sent(
        source, identity=IdentityMode.USER_ID, events_off=[EVENT], property_rules={"test_code": PropertyRule.DROP}
    )

    send_test(source)

    assert code_of(source) in Event.objects.get().payload


def test_asked_for_twice_at_once_one_is_sent(source):
    assert send_test(source)
    code = code_of(source)
    assert not send_test(source)
    assert (code_of(source), Event.objects.count()) == (code, 1)

    a_while_ago()
    assert send_test(source)
    assert code_of(source) != code


def test_a_new_key_is_tested_at_once(source):
    send_test(source)
    replace_write_key(source, Secret(OTHER_WRITE_KEY))
    assert send_test(source)


def test_a_paused_source_is_sent_no_test(source):
    pause_source(source)
    with pytest.raises(SourceStateError, match="is paused"):
        send_test(source)
    assert not ConnectionTest.objects.exists()


def test_the_code_confirms_the_version_until_key_or_region_change(source):
    send_test(source)
    assert not source.is_confirmed
    assert confirm(source, f" {code_of(source).lower()} ") is Answer.CONFIRMED
    assert source.is_confirmed
    assert confirm(source, "ABC234") is Answer.CONFIRMED_BEFORE

    change_region(source, Region.EU)
    assert not source.is_confirmed
    assert confirm(source, code_of(source)) is Answer.NOTHING_SENT


def test_without_a_test_no_code_is_right(source):
    assert confirm(source, "ABC234") is Answer.NOTHING_SENT


def test_after_some_wrong_codes_the_right_one_is_wrong_too(source):
    send_test(source)
    answers = [confirm(source, "000000") for _ in range(MAX_WRONG_CODES)]
    assert answers == [Answer.WRONG] * (MAX_WRONG_CODES - 1) + [Answer.TOO_MANY]
    assert confirm(source, code_of(source)) is Answer.TOO_MANY
    assert not source.is_confirmed

    a_while_ago()
    send_test(source)
    assert confirm(source, code_of(source)) is Answer.CONFIRMED

from integrations.envelope import complete
from integrations.spec.linter import lint
from integrations.trial import cleaned_code, is_trial, new_code, trial_call


def test_a_code_has_six_characters_without_look_alikes():
    codes = "".join(new_code() for _ in range(500))
    assert len(codes) == 3000
    assert not set(codes) & set("01OILU")
    assert codes.isalnum()
    assert codes == codes.upper()


def test_the_event_of_a_test_keeps_to_the_spec_without_a_warning(settings):
    assert lint(complete(trial_call("ABC234")), category=settings.INTEGRATION_CATEGORY) == []


def test_a_customers_own_event_of_that_name_is_no_test():
    assert is_trial(trial_call("ABC234"))
    assert not is_trial({**trial_call("ABC234"), "userId": "u-7"})
    assert not is_trial("Integration Tested")


def test_a_typed_code_may_be_small_and_in_groups():
    assert cleaned_code(" abc-2 34\n") == "ABC234"

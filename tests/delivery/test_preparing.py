from delivery.preparing import REASONS
from integrations.spec.codes import CODES


def test_reasons_are_of_codes_that_the_linter_has():
    assert set(REASONS) <= set(CODES)

from benchmarks.events import typical_call
from delivery.preparing import Prepared, prepare
from integrations.envelope import complete
from integrations.spec.linter import lint


def test_typical_event_has_about_450_bytes_and_no_findings():
    prepared = prepare(typical_call(7))
    assert isinstance(prepared, Prepared)
    assert 380 < len(prepared.encoded) < 420  # the messageId comes on top
    assert lint(complete(typical_call(7))) == []

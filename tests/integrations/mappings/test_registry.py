import pytest
from django.dispatch import Signal

from integrations.mappings.registry import Mapping, maps
from integrations.spec.calls import Call, track


def test_maps_registers_the_function_and_leaves_it_as_it_is():
    registry: list[Mapping] = []
    signal = Signal()

    @maps(signal, event="Report Exported", registry=registry)
    def report_exported(report: str) -> Call:
        return track(event="Report Exported", user_id=report)

    assert registry == [Mapping(signal, "Report Exported", report_exported)]
    assert report_exported("u1") == {"type": "track", "event": "Report Exported", "userId": "u1"}


def test_maps_refuses_a_second_mapping_of_a_signal_to_an_event():
    registry: list[Mapping] = []
    signal = Signal()

    @maps(signal, event="Report Exported", registry=registry)
    def first(report: str) -> Call:
        return track(event="Report Exported", user_id=report)

    with pytest.raises(ValueError, match=r"first and .*second both map one signal to “Report Exported”"):

        @maps(signal, event="Report Exported", registry=registry)
        def second(report: str) -> Call:
            return track(event="Report Exported", user_id=report)

    assert [mapping.build for mapping in registry] == [first]


def test_maps_takes_one_signal_for_two_events():
    registry: list[Mapping] = []
    signal = Signal()

    def call_about(report: str) -> Call:
        return track(event="Something", user_id=report)

    maps(signal, event="Report Exported", registry=registry)(call_about)
    maps(signal, event="Export Counted", registry=registry)(call_about)

    assert [mapping.event for mapping in registry] == ["Report Exported", "Export Counted"]

"""System checks: a mapping that breaks the Spec stops `manage.py check`, and with it the start."""

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from integrations.catalog.sent import example_call
from integrations.catalog.specimens import SpecimenError
from integrations.mappings.registry import REGISTRY, Mapping
from integrations.spec.calls import track
from integrations.spec.catalogue import category_named
from integrations.spec.findings import Finding
from integrations.spec.linter import lint


def check_mappings(**_options: Any) -> list[CheckMessage]:
    return mapping_errors(REGISTRY)


def mapping_errors(mappings: Iterable[Mapping]) -> list[CheckMessage]:
    """What is wrong with the mappings. A warning of the linter is an error here: this product chose the names."""
    return [
        Error(finding.message, hint=finding.remedy, obj=_place(mapping), id=f"integrations.mapping.{finding.code}")
        for mapping in mappings
        for finding in _findings(mapping)
    ]


def stop_on_broken_mappings() -> None:
    """For programs that do not run the system checks by themselves: SystemExit with what is wrong."""
    if errors := check_mappings():
        raise SystemExit("A mapping breaks Segment's Spec.\n" + "\n".join(map(str, errors)))


def _findings(mapping: Mapping) -> Iterator[Finding]:
    """Of the registered name, and of the call that the mapping makes of a made-up activity, if it can be tried."""
    category = _category(mapping) or settings.INTEGRATION_CATEGORY or None
    of_name = lint(track(event=mapping.event, user_id="a person"), category=category)
    yield from (finding for finding in of_name if finding.path == "event")
    try:
        call = example_call(mapping)
    except SpecimenError:
        return
    yield from (finding for finding in lint(call, category=category) if finding not in of_name)


def _category(mapping: Mapping) -> str | None:
    """A module named after a category of the Spec has mappings of that kind: `mappings/email.py`."""
    try:
        return category_named(mapping.build.__module__.rpartition(".")[2])
    except ValueError:
        return None


def _place(mapping: Mapping) -> str:
    """File and line of the mapping, for the reader of the message."""
    code = inspect.unwrap(mapping.build).__code__
    file = Path(code.co_filename)
    shown = file.relative_to(settings.BASE_DIR) if file.is_relative_to(settings.BASE_DIR) else file
    return f"{shown}:{code.co_firstlineno}"

"""System checks: a mapping that breaks the Spec stops `manage.py check`, and with it the start."""

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from integrations.mappings.registry import REGISTRY, Mapping
from integrations.spec.calls import track
from integrations.spec.catalogue import category_named
from integrations.spec.linter import lint


def check_mappings(**_options: Any) -> list[CheckMessage]:
    return mapping_errors(REGISTRY)


def mapping_errors(mappings: Iterable[Mapping]) -> list[CheckMessage]:
    """What is wrong with the events' names. A warning of the linter is an error here: this product chose the name."""
    return [
        Error(finding.message, hint=finding.remedy, obj=_place(mapping), id=f"integrations.mapping.{finding.code}")
        for mapping in mappings
        for finding in lint(track(event=mapping.event, user_id="a person"), category=_category(mapping))
        if finding.path == "event"
    ]


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

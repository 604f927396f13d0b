from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.http import QueryDict

from integrations.enums import IdentityMode, PropertyRule
from integrations.identity_forms import IdentityForm
from integrations.models import Source
from integrations.offered import (
    MAX_NAME_CHARACTERS,
    OfferedEvent,
    OfferedProperty,
    chosen_rules,
    offered_events,
    offered_properties,
    posted_events,
    posted_properties,
    switched_off,
)

MAX_RULES: Final = 200


class SentForm(IdentityForm):
    """`chosen_identity`, `events_off` and `property_rules` are as chosen, or the source's while nothing is."""

    property_name = forms.CharField(
        label="Another property",
        required=False,
        max_length=MAX_NAME_CHARACTERS,
        widget=forms.TextInput(attrs={"class": "mono", "autocomplete": "off", "spellcheck": "false"}),
        help_text="By its name, if it is not in the list.",
    )
    property_rule = forms.ChoiceField(
        label="What to do with it", required=False, choices=[("", "Send it as it is"), *PropertyRule.choices]
    )

    def __init__(
        self, data: QueryDict | None, *, source: Source, event_names: Iterable[str], property_names: Iterable[str]
    ) -> None:
        super().__init__(data, initial={"identity": source.identity})
        self._source, self._event_names, self._property_names = source, list(event_names), list(property_names)
        self.chosen_identity = IdentityMode(source.identity)
        self.events_off: list[str] = list(source.events_off)
        self.property_rules: dict[str, PropertyRule] = {
            name: PropertyRule(rule) for name, rule in source.property_rules.items()
        }
        if data is not None:
            events = {event.name for event in self.events} | posted_events(data)
            self.events_off = switched_off(data, events, self.events_off)
            properties = {offered.name for offered in self.properties} | posted_properties(data)
            self.property_rules = chosen_rules(data, properties, self.property_rules)

    @property
    def events(self) -> list[OfferedEvent]:
        return offered_events(self.events_off, {*self._event_names, *self._source.events_off})

    @property
    def properties(self) -> list[OfferedProperty]:
        return offered_properties(self.property_rules, {*self._property_names, *self._source.property_rules})

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        self.chosen_identity = cleaned.get("identity", self.chosen_identity)
        name, rule = cleaned.get("property_name"), cleaned.get("property_rule")
        if name and rule:
            self.property_rules[name] = PropertyRule(rule)
            # It has a row of the table from now on, where it can be chosen otherwise.
            self.data = {**self.data, "property_name": "", "property_rule": ""}
        elif rule and "property_name" not in self.errors:
            self.add_error("property_name", "Type the name of the property.")
        if len(self.property_rules) > MAX_RULES:
            self.add_error(None, f"There can be {MAX_RULES} rules for properties at most.")
        return cleaned

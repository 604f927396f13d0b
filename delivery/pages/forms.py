"""What may be asked of the lists. A filter that makes no sense is said to, and then nothing is left out."""

from typing import Any

from django import forms

from delivery.enums import RefusalReason
from delivery.pages.events import State, Wanted
from delivery.pages.listings import WantedRefusals
from delivery.pages.story import LARGEST_ID


class _FilterForm(forms.Form):
    name = forms.CharField(required=False, max_length=200, label="Name")
    user = forms.CharField(required=False, max_length=1_000, label="userId or anonymousId")
    before = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_ID, widget=forms.HiddenInput)

    use_required_attribute = False

    def clean_name(self) -> str:
        return self._without_nul("name")

    def clean_user(self) -> str:
        return self._without_nul("user")

    def _without_nul(self, field: str) -> str:
        value: str = self.cleaned_data[field]
        return value.replace("\x00", "")

    @property
    def before_id(self) -> int:
        return self._given("before") or 0

    def _given(self, field: str) -> Any:
        self.is_valid()
        return self.cleaned_data.get(field)


class EventFilterForm(_FilterForm):
    state = forms.ChoiceField(
        required=False, choices=[("", "Any"), *((state.value, state.label) for state in State)], label="State"
    )

    @property
    def wanted(self) -> Wanted:
        return Wanted(**{name: self._given(name) or "" for name in ("name", "user", "state")})


class RefusalFilterForm(_FilterForm):
    reason = forms.ChoiceField(required=False, choices=[("", "Any"), *RefusalReason.choices], label="Reason")

    @property
    def wanted(self) -> WantedRefusals:
        return WantedRefusals(**{name: self._given(name) or "" for name in ("name", "user", "reason")})


class ResendForm(forms.Form):
    token = forms.UUIDField(widget=forms.HiddenInput)


class ResendGivenUpForm(ResendForm):
    """`last_batch` and `closed_by` say what was counted, so that no more than that is sent."""

    last_batch = forms.IntegerField(min_value=1, max_value=LARGEST_ID, widget=forms.HiddenInput)
    closed_by = forms.DateTimeField(widget=forms.HiddenInput)

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.html import format_html

from integrations.enums import Region
from integrations.errors import WriteKeyError
from integrations.models import Source
from integrations.offered import OfferedEvent, offered_events, switched_off
from integrations.queries import sources_with_key
from integrations.secrets import Secret
from integrations.write_keys import check_write_key, clean_write_key

_REGION_MEANS = {
    Region.US: f"You open Segment at {Region.US.app_host}. Most workspaces are here.",
    Region.EU: f"You open Segment at {Region.EU.app_host}. Segment calls it EU West.",
}


class WriteKeyField(forms.CharField):
    """A write key that goes in and never comes out: the page that shows an error shows an empty field."""

    def __init__(self) -> None:
        widget = forms.PasswordInput(
            render_value=False,
            attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false", "class": "mono"},
        )
        super().__init__(
            label="Write key",
            widget=widget,
            error_messages={"required": "Paste the write key of your Segment source."},
            help_text="Stored encrypted. After saving, only its last four characters are ever shown. "
            '<a href="#find-key-title">Where to find it</a>',
        )

    def clean(self, value: Any) -> Secret:
        try:
            return clean_write_key(super().clean(value))
        except WriteKeyError as error:
            raise forms.ValidationError(str(error)) from None


class NameForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        help_text="For you, to tell sources apart: “Production”, for example. Segment does not see it.",
        error_messages={"required": "Give the source a name."},
    )


class RegionForm(forms.Form):
    """The region has no default: a guess would lose events without an error."""

    region = forms.TypedChoiceField(
        label="Region of the Segment workspace",
        choices=[
            (
                region.value,
                format_html(
                    '<span>{}<span class="choice__about">{}</span></span>',
                    region.label,
                    _REGION_MEANS[region],
                ),
            )
            for region in Region
        ],
        coerce=Region,
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choose the region of your Segment workspace.",
            "invalid_choice": "Segment has two regions: choose United States or Europe.",
        },
    )


class WriteKeyForm(forms.Form):
    """A key for a source, new or existing. One that looks odd is saved only when the customer says so.

    Segment answers 200 to a key it does not know (segment.md), so whatever is sent with a mistyped one is lost: asking
    first costs a second paste, asking later costs events.
    """

    write_key = WriteKeyField()
    accept_odd_key = forms.BooleanField(required=False, label="I have checked it: use this key")

    def __init__(self, *args: Any, source: Source | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source = source
        self.warnings: list[str] = []

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if "write_key" in cleaned:
            self.warnings = self._warnings(cleaned["write_key"])
            if self.warnings and not cleaned["accept_odd_key"]:
                self.add_error("write_key", self.warnings)
        return cleaned

    def _warnings(self, write_key: Secret) -> list[str]:
        warnings = check_write_key(write_key.reveal())
        region = self.cleaned_data.get("region") or (self.source.region if self.source else None)
        for other in sources_with_key(write_key, region, apart_from=self.source) if region else ():
            warnings.append(
                f"“{other.name}” sends with this write key already: everything would arrive in Segment twice."
            )
        return warnings


class ShadowForm(forms.Form):
    in_shadow = forms.BooleanField(
        required=False,
        label="Start in shadow: show events here, send nothing yet",
        help_text="You see each event as Segment would get it. When you switch the source on, you choose which of them "
        "are sent.",
    )


class ConnectForm(WriteKeyForm, RegionForm, NameForm, ShadowForm):
    """A new source. All events are on; an event that the page did not offer stays on, too."""

    field_order = ("name", "write_key", "region", "in_shadow")

    @property
    def events(self) -> list[OfferedEvent]:
        return offered_events(self.events_off)

    @property
    def events_off(self) -> list[str]:
        known = [event.name for event in offered_events()]
        return switched_off(self.data, known) if isinstance(self.data, QueryDict) else []

    @property
    def events_on(self) -> int:
        return sum(event.is_on for event in self.events)

    @property
    def connection(self) -> dict[str, Any]:
        """Of a valid form: what `connect_source` takes besides the events."""
        return {name: self.cleaned_data[name] for name in self.field_order}


class ReconnectForm(WriteKeyForm, RegionForm, ShadowForm):
    """A source that was disconnected in shadow comes back so: nothing that it captured is sent without asking."""

    field_order = ("write_key", "region", "in_shadow")

    def __init__(self, *args: Any, source: Source, **kwargs: Any) -> None:
        super().__init__(*args, source=source, **kwargs)
        if source.shadow_since:
            del self.fields["in_shadow"]


class CodeForm(forms.Form):
    code = forms.CharField(
        label="The code",
        max_length=20,
        widget=forms.TextInput(
            attrs={"class": "mono", "autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
        help_text="Six letters and digits, the value of test_code. It has no 0, O, 1, I, L or U in it.",
        error_messages={"required": "Type the six characters that Segment's Debugger shows as test_code."},
    )

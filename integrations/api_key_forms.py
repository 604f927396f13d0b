from typing import Final

from django import forms
from django.utils.html import format_html

from integrations.enums import KeyPurpose

_PURPOSE_MEANS: Final = {
    KeyPurpose.INGEST: "Your programs send events with one of Segment's libraries, and they go to your sources.",
    KeyPurpose.INBOUND: "Segment tells who people are, so that events carry the ids of your workspace.",
}


class ApiKeyForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        help_text="Which program will use it: “Web shop”, for example. With a key for each, you can revoke just one.",
        error_messages={"required": "Give the key a name."},
    )
    purpose = forms.TypedChoiceField(
        label="What it is for",
        choices=[
            (purpose.value, format_html('<span>{}<span class="choice__about">{}</span></span>', purpose.label, means))
            for purpose, means in _PURPOSE_MEANS.items()
        ],
        coerce=KeyPurpose,
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choose what the key is for.",
            "invalid_choice": "A key is for events from Segment or from your own servers: choose one.",
        },
    )

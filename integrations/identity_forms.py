from typing import Any, Final

from django import forms
from django.utils.html import format_html

from integrations.enums import IdentityMode
from integrations.secrets import Secret

_MEANS: Final = {
    IdentityMode.USER_ID: "What Segment asks for. The refusal is shown with its reason, and nothing is guessed.",
    IdentityMode.TOOL_ID: "Stays the same when the person's address changes.",
    IdentityMode.EMAIL_HASH: "The same for one address everywhere in your workspace. Nobody else can compute it.",
}

MAX_SECRET_CHARACTERS: Final = 500


class IdentityForm(forms.Form):
    identity = forms.TypedChoiceField(
        label="What is sent for a person whose userId is unknown",
        choices=[
            (
                mode.value,
                format_html('<span>{}<span class="choice__about">{}</span></span>', mode.label, _MEANS[mode]),
            )
            for mode in IdentityMode
        ],
        coerce=IdentityMode,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose one.", "invalid_choice": "Choose one of these."},
    )


class SharedSecretForm(forms.Form):
    """A secret that goes in and never comes out, or the wish to have none any more."""

    shared_secret = forms.CharField(
        label="Shared secret",
        required=False,
        max_length=MAX_SECRET_CHARACTERS,
        strip=False,
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
        ),
        help_text="The same text as in the settings of the destination in Segment. Stored encrypted and never shown.",
    )
    remove = forms.BooleanField(required=False, label="Ask for no signature any more")

    def __init__(self, *args: Any, is_set: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_set:
            del self.fields["remove"]

    def clean_shared_secret(self) -> Secret | None:
        text: str = self.cleaned_data["shared_secret"]
        return Secret(text) if text else None

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if not cleaned.get("shared_secret") and not cleaned.get("remove") and not self.errors:
            self.add_error("shared_secret", "Paste the shared secret that is set in Segment.")
        return cleaned

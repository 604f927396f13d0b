from typing import Final

from django import forms

from delivery.alerts.enums import IncidentKind
from delivery.alerts.models import AlertLimits

CHOICES: Final = [
    (
        kind.value,
        f"{kind.label} for another reason, for instance by our staff" if kind == IncidentKind.HELD else kind.label,
    )
    for kind in IncidentKind
]


class ChoiceForm(forms.Form):
    kinds = forms.MultipleChoiceField(
        label="Write to me when",
        required=False,
        choices=CHOICES,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "Choose from this list."},
    )
    recovered = forms.BooleanField(label="Write to me also when it is over", required=False)


class LimitsForm(forms.ModelForm):  # type: ignore[type-arg]  # generic to django-stubs alone, not at run time
    class Meta:
        model = AlertLimits
        fields = ["backlog_minutes", "refused_an_hour"]
        labels = {
            "backlog_minutes": "Minutes that an event may wait",
            "refused_an_hour": "Events that may be refused in an hour",
        }
        help_texts = {
            "backlog_minutes": "From 5 minutes to 1,440, a day. Of each source by itself.",
            "refused_an_hour": "From 1 to 10,000. Of each source by itself.",
        }

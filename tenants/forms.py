from django import forms


class TenantNameForm(forms.Form):
    """The name people read; the services judge it, and the views carry their sentence back into the form."""

    name = forms.CharField(
        label="Company name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )

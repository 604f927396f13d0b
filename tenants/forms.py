from typing import Any

from django import forms

from tenants.enums import PersonField, Role
from tenants.models import Membership


class TenantNameForm(forms.Form):
    """The name people read; the services judge it, and the views carry their sentence back into the form."""

    name = forms.CharField(
        label="Company name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )


def role_field(giver: Membership) -> forms.TypedChoiceField:
    """The roles that this member may give: none above their own."""
    roles = [(role.value, role.label) for role in reversed(Role) if Role(giver.role).includes(role)]
    return forms.TypedChoiceField(label="Role", choices=roles, coerce=Role, initial=Role.VIEWER)


class InvitationForm(forms.Form):
    email = forms.EmailField(label="Email address", widget=forms.EmailInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, giver: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"] = role_field(giver)


class RoleForm(forms.Form):
    def __init__(self, *args: Any, giver: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"] = role_field(giver)


class PersonForm(forms.Form):
    """Who is to be erased."""

    field = forms.TypedChoiceField(label="Known by", choices=PersonField.choices, coerce=PersonField)
    value = forms.CharField(
        label="The id or address", max_length=500, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    sure = forms.BooleanField(label="I understand that this cannot be undone")


class TypedNameForm(forms.Form):
    """Shows that somebody has read what it is that will be deleted."""

    name = forms.CharField(
        label="Type the name to confirm", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

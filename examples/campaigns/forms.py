from typing import Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.db import models
from django.utils.html import format_html

from examples.campaigns.models import Campaign, Person
from examples.campaigns.queries import subscribed_people
from tenants.models import Tenant

EXTERNAL_ID_HELP = (
    "The id that your own system gives this person, such as a customer number. Segment calls it the userId, "
    "and without it nothing that this person does can be sent to Segment."
)


class ExternalIdField(forms.CharField):
    """The customer's own id of a person. An address is none: Segment asks for it as a trait, not as the userId."""

    def clean(self, value: Any) -> str:
        external_id: str = super().clean(value)
        try:
            validate_email(external_id)
        except ValidationError:
            return external_id
        raise ValidationError("This is an email address. Use the id that your own system gives this person.")


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]  # generic to django-stubs alone, not at run time
    TAKEN = "You have a person with this address already."

    class Meta:
        model = Person
        fields = ["email", "name", "external_id"]
        field_classes = {"external_id": ExternalIdField}
        help_texts = {"external_id": EXTERNAL_ID_HELP}

    def clean_email(self) -> str:
        """In lower case, and not that of another person of the tenant: the form doesn't hold the tenant to check by."""
        email: str = self.cleaned_data["email"].lower()
        if Person.objects.filter(email=email).exclude(pk=self.instance.pk).exists():
            raise ValidationError(self.TAKEN)
        return email


class WebAddressField(forms.URLField):
    """No javascript:, data: or ftp:, which a link in an email has no honest use for."""

    default_error_messages = {"invalid": "Enter a web address that begins with https:// or http://."}
    default_validators = [URLValidator(schemes=["http", "https"])]


class CampaignForm(forms.ModelForm):  # type: ignore[type-arg]  # generic to django-stubs alone, not at run time
    link_url = WebAddressField(
        label="Link address",
        max_length=2000,
        assume_scheme="https",
        help_text="Where the link leads, beginning with https:// or http://.",
    )

    class Meta:
        model = Campaign
        fields = ["name", "subject", "body", "link_text", "link_url"]
        help_texts = {
            "name": "For your own lists; readers don't see it.",
            "body": "An empty line begins a new paragraph. The link and an unsubscribe option follow below it.",
            "link_text": "What the button says, such as “Read the news”.",
        }
        widgets: ClassVar[dict[str, Any]] = {"body": forms.Textarea(attrs={"rows": 8})}

    def clean_subject(self) -> str:
        """On one line: a line break would end the header."""
        return " ".join(self.cleaned_data["subject"].split())


class Audience(models.TextChoices):
    """Whom a campaign goes to."""

    EVERYONE = "everyone", "Everyone who is subscribed"
    CHOSEN = "chosen", "Only the people ticked below"
    MYSELF = "myself", "Only me"


class RecipientsForm(forms.Form):
    """Whom to write to. `own_email` is the address of the user who sends, for `Audience.MYSELF`."""

    audience = forms.ChoiceField(
        label="Send to", choices=Audience.choices, initial=Audience.EVERYONE, widget=forms.RadioSelect
    )
    people: "forms.ModelMultipleChoiceField[Person]" = forms.ModelMultipleChoiceField(
        queryset=None,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "Somebody you ticked has unsubscribed or was removed. Please choose again."},
    )
    own_id = ExternalIdField(
        label="Your own id, for “Only me”", max_length=200, required=False, help_text=EXTERNAL_ID_HELP
    )

    def __init__(self, *args: Any, own_email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own_email = own_email.lower()
        self.fields["audience"].help_text = format_html(
            "“Only me” writes to {} and adds you to the people, if you are not among them.", self.own_email
        )
        cast("forms.ModelMultipleChoiceField[Person]", self.fields["people"]).queryset = subscribed_people()
        if Person.objects.filter(email=self.own_email).exclude(external_id="").exists():
            del self.fields["own_id"]

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        match data.get("audience"):
            case Audience.EVERYONE if not subscribed_people().exists():
                self.add_error("audience", "There is nobody to write to yet. Add people first, or send it to yourself.")
            case Audience.CHOSEN if not data.get("people") and "people" not in self.errors:
                self.add_error("people", "Nobody is ticked. Tick at least one person, or choose another option above.")
            case Audience.MYSELF if Person.objects.filter(email=self.own_email).exclude(unsubscribed_at=None).exists():
                self.add_error("audience", f"{self.own_email} has unsubscribed and can't be written to.")
        return data

    def would_reach(self) -> list[Person]:
        """Who would be written to; nothing is changed, so the user may be a person who isn't stored yet."""
        match self.cleaned_data["audience"]:
            case Audience.EVERYONE:
                return list(subscribed_people())
            case Audience.CHOSEN:
                return list(self.cleaned_data["people"])
            case _:
                return [
                    self._myself(Person.objects.filter(email=self.own_email).first() or Person(email=self.own_email))
                ]

    def recipients(self, tenant: Tenant) -> list[Person]:
        """Who is to be written to; the user becomes a person of the tenant here, if they were none."""
        if self.cleaned_data["audience"] == Audience.MYSELF:
            myself = self._myself(Person.objects.get_or_create(tenant=tenant, email=self.own_email)[0])
            myself.save(update_fields=["external_id"])
            return [myself]
        return self.would_reach()

    def _myself(self, person: Person) -> Person:
        person.external_id = person.external_id or self.cleaned_data.get("own_id", "")
        return person

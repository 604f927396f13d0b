from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect

from examples.campaigns.forms import PersonForm
from examples.campaigns.models import Message, Person
from examples.campaigns.pages import rows_of, tenant_page
from examples.campaigns.queries import ask_segment_ids, subscribed_people
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.once import sent_once


@tenant_view()
def people(request: TenantRequest) -> HttpResponse:
    page = rows_of(Person.objects.order_by("email"), request)
    ask_segment_ids(request.tenant, page)
    return tenant_page(request, "people.html", page=page, subscribed=subscribed_people().count())


@tenant_view(Role.ADMIN)
@sent_once
def add_person(request: TenantRequest) -> HttpResponseBase:
    person = Person(tenant=request.tenant)
    form = PersonForm(request.POST or None, instance=person)
    if request.method == "POST" and _saved(form):
        messages.success(request, f"{person.email} is added.")
        return redirect("campaigns:people", request.tenant.slug)
    return tenant_page(request, "person_form.html", form=form, person=None)


@tenant_view(Role.ADMIN)
def edit_person(request: TenantRequest, person_id: int) -> HttpResponseBase:
    person = get_object_or_404(Person.objects.all(), pk=person_id)
    form = PersonForm(request.POST or None, instance=person)
    if request.method == "POST" and _saved(form):
        messages.success(request, f"{person.email} is saved.")
        return redirect("campaigns:people", request.tenant.slug)
    return tenant_page(request, "person_form.html", form=form, person=person)


@tenant_view(Role.ADMIN)
def remove_person(request: TenantRequest, person_id: int) -> HttpResponseBase:
    person = get_object_or_404(Person.objects.all(), pk=person_id)
    if request.method == "POST":
        person.delete()
        messages.success(request, f"{person.email} is removed.")
        return redirect("campaigns:people", request.tenant.slug)
    return tenant_page(
        request, "person_remove.html", person=person, received=Message.objects.filter(person=person).count()
    )


@tenant_view(Role.ADMIN)
def resubscribe_person(request: TenantRequest, person_id: int) -> HttpResponseBase:
    person = get_object_or_404(Person.objects.all(), pk=person_id)
    if request.method == "POST":
        person.unsubscribed_at = None
        person.save(update_fields=["unsubscribed_at"])
        messages.success(request, f"{person.email} is subscribed again.")
        return redirect("campaigns:people", request.tenant.slug)
    return tenant_page(request, "person_resubscribe.html", person=person)


def _saved(form: PersonForm) -> bool:
    """Save a valid form. The same address twice at the same moment is caught by the database alone."""
    if not form.is_valid():
        return False
    try:
        # Only the form's own columns: an unsubscription meanwhile must not be written over.
        with transaction.atomic():
            form.instance.save(update_fields=form.Meta.fields if form.instance.pk else None)
    except IntegrityError:
        form.add_error("email", PersonForm.TAKEN)
        return False
    return True

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST

from examples.campaigns.content import preview
from examples.campaigns.email_body import email_body
from examples.campaigns.errors import AlreadySentError, CampaignError
from examples.campaigns.forms import CampaignForm, RecipientsForm
from examples.campaigns.models import Campaign, Person
from examples.campaigns.pages import rows_of, tenant_page
from examples.campaigns.queries import ask_segment_ids, campaigns_with_counts, messages_of, totals_of
from examples.campaigns.sending import fix_recipients, send_rest
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.once import sent_once


@tenant_view()
def campaigns(request: TenantRequest) -> HttpResponse:
    return tenant_page(request, "campaigns.html", page=rows_of(campaigns_with_counts(), request))


@tenant_view()
def campaign(request: TenantRequest, campaign_id: int) -> HttpResponse:
    """A draft with its preview, or the report of a campaign that has been sent."""
    shown = _campaign(campaign_id)
    if shown.sent_at is None:
        return tenant_page(request, "draft.html", campaign=shown)
    return tenant_page(
        request, "report.html", campaign=shown, totals=totals_of(shown), page=rows_of(messages_of(shown), request)
    )


@tenant_view(Role.ADMIN)
@sent_once
def create_campaign(request: TenantRequest) -> HttpResponseBase:
    draft = Campaign(tenant=request.tenant)
    form = CampaignForm(request.POST or None, instance=draft)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("campaigns:campaign", request.tenant.slug, draft.pk)
    return tenant_page(request, "campaign_form.html", form=form, campaign=None)


@tenant_view(Role.ADMIN)
@transaction.atomic
def edit_campaign(request: TenantRequest, campaign_id: int) -> HttpResponseBase:
    # Locked, so that an email is not changed while its sending begins.
    draft = get_object_or_404(Campaign.objects.select_for_update(), pk=campaign_id)
    if draft.sent_at is not None:
        messages.error(request, "This campaign has been sent and can't be changed any more.")
        return redirect("campaigns:campaign", request.tenant.slug, draft.pk)
    form = CampaignForm(request.POST or None, instance=draft)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("campaigns:campaign", request.tenant.slug, draft.pk)
    return tenant_page(request, "campaign_form.html", form=form, campaign=draft)


@tenant_view()
@xframe_options_sameorigin
def preview_body(_request: TenantRequest, campaign_id: int) -> HttpResponse:
    return email_body(preview(_campaign(campaign_id)))


@tenant_view(Role.ADMIN)
def send_campaign(request: TenantRequest, campaign_id: int) -> HttpResponseBase:
    """Choose the recipients; the form leads on to `confirm_sending` and changes nothing."""
    draft = _campaign(campaign_id)
    if draft.sent_at is not None:
        return _already_sent(request, draft)
    return _recipients_page(request, draft, RecipientsForm(own_email=request.user.email))


@tenant_view(Role.ADMIN)
def confirm_sending(request: TenantRequest, campaign_id: int) -> HttpResponseBase:
    """GET shows who will be written to, POST writes to them."""
    draft = _campaign(campaign_id)
    if draft.sent_at is not None:
        return _already_sent(request, draft)
    form = RecipientsForm(request.POST if request.method == "POST" else request.GET, own_email=request.user.email)
    if not form.is_valid():
        return _recipients_page(request, draft, form)
    if request.method != "POST":
        return _confirm_page(request, draft, form)
    try:
        with transaction.atomic():
            fix_recipients(draft, form.recipients(request.tenant))
    except AlreadySentError:
        return _already_sent(request, draft)
    except CampaignError as error:
        form.add_error(None, str(error))
        return _recipients_page(request, draft, form)
    return _send(request, draft)


@require_POST
@tenant_view(Role.ADMIN)
def send_the_rest(request: TenantRequest, campaign_id: int) -> HttpResponseBase:
    started = get_object_or_404(Campaign.objects.exclude(sent_at=None), pk=campaign_id)
    return _send(request, started)


def _campaign(campaign_id: int) -> Campaign:
    return get_object_or_404(Campaign.objects.select_related("tenant"), pk=campaign_id)


def _recipients_page(request: TenantRequest, draft: Campaign, form: RecipientsForm) -> HttpResponse:
    unsubscribed = Person.objects.exclude(unsubscribed_at=None).count()
    return tenant_page(request, "send.html", campaign=draft, form=form, unsubscribed=unsubscribed)


def _confirm_page(request: TenantRequest, draft: Campaign, form: RecipientsForm) -> HttpResponse:
    people = form.would_reach()
    ask_segment_ids(request.tenant, people)
    without_id = sum(not (person.segment_id or person.external_id) for person in people)
    return tenant_page(request, "confirm.html", campaign=draft, form=form, people=people, without_id=without_id)


def _already_sent(request: TenantRequest, sent: Campaign) -> HttpResponseBase:
    messages.info(request, "This campaign has been sent. Nobody is written to a second time.")
    return redirect("campaigns:campaign", request.tenant.slug, sent.pk)


def _send(request: TenantRequest, started: Campaign) -> HttpResponseBase:
    try:
        sent = send_rest(started)
    except CampaignError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, sent.sentence())
    return redirect("campaigns:campaign", request.tenant.slug, started.pk)

"""The pages that prove a connection: a test event with a code, and what to do when it does not show up in Segment."""

from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from integrations import confirming, trial
from integrations.confirming import Answer
from integrations.enums import Region
from integrations.errors import SourceStateError
from integrations.forms import CodeForm
from integrations.models import Source
from integrations.views import get_or_post, may_change, posted
from tenants import audit
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role

LAST_ANSWER = ("delivery/last_answer.html", "integrations/no_delivery_state.html")
"""The first of these templates that exists: delivery tells there how the newest request of the source went, or the
newest with the event whose call had the `message_id`."""

TOLD = {
    Answer.WRONG: "This is not the code of the newest test event. Compare it with test_code in Segment's Debugger.",
    Answer.TOO_MANY: "Those were too many wrong codes for this test event. Send another one: it has a new code.",
    Answer.NOTHING_SENT: "No test event has been sent with this write key to this region. Send one first.",
}


@tenant_view(Role.ADMIN)
@get_or_post
def check(request: TenantRequest, source_id: int) -> HttpResponseBase:
    """Take the code of the newest test event."""
    source = get_object_or_404(Source.objects.select_related("write_key"), pk=source_id)
    form = CodeForm(posted(request))
    if form.is_valid():
        try:
            answer = _confirm(request, source, form.cleaned_data["code"])
        except SourceStateError as error:
            messages.error(request, str(error))
            return redirect("integrations:source", request.tenant.slug, source.pk)
        if answer in {Answer.CONFIRMED, Answer.CONFIRMED_BEFORE}:
            told = f"“{source.name}” is confirmed: what is sent to it arrives in your Segment workspace."
            messages.success(request, told)
            return redirect("integrations:source", request.tenant.slug, source.pk)
        form.add_error("code", TOLD[answer])
    return render(request, "integrations/check.html", {"source": source, "form": form, **_steps(source)})


def _steps(source: Source) -> dict[str, Any]:
    """Where to look, how the newest test event fares, and how often a code may be typed."""
    test = confirming.newest_test(source)
    return {
        "test": test if test and test.version == source.version else None,
        "message_id": trial.message_id(test.code) if test else "",
        "tries_left": confirming.MAX_WRONG_CODES - test.wrong_codes if test else 0,
        "event": trial.EVENT,
        "property": trial.PROPERTY,
        "last_answer": LAST_ANSWER,
        "segment_host": Region(source.region).app_host,
        "stand_in": _stand_in(source),
    }


def _stand_in(source: Source) -> str:
    """The page of what arrived, in the demo, where it is the Debugger that the steps talk of."""
    address = settings.SEGMENT_URLS[source.region]
    # The settings let plain HTTP go to this machine alone. Else it may be Segment itself, to which a demo may send too.
    return urljoin(address, "/") if settings.DEMO and address.startswith("http://") else ""


@tenant_view(Role.ADMIN)
@require_POST
def send_test(request: TenantRequest, source_id: int) -> HttpResponseBase:
    source = get_object_or_404(Source, pk=source_id)
    try:
        with transaction.atomic():
            sent = confirming.send_test(source)
            if sent:
                audit.note(request.tenant.pk, request.user, "sent a test event to", source.name)
    except SourceStateError as error:
        messages.error(request, str(error))
        return redirect("integrations:source", request.tenant.slug, source.pk)
    if not sent:
        messages.info(request, "A test event was sent a moment ago. Wait a few seconds before you send another one.")
    return redirect("integrations:check", request.tenant.slug, source.pk)


@tenant_view()
@require_GET
def not_showing(request: TenantRequest, source_id: int) -> HttpResponseBase:
    """Why a test event does not show up in Segment, the likely reasons first, with what is known here."""
    source = get_object_or_404(Source.objects.select_related("write_key"), pk=source_id)
    context = {"source": source, "last_answer": LAST_ANSWER, "may_change": may_change(request)}
    context["support"] = settings.SUPPORT_EMAIL
    return render(request, "integrations/not_showing.html", context)


@transaction.atomic
def _confirm(request: TenantRequest, source: Source, typed: str) -> Answer:
    answer = confirming.confirm(source, typed)
    if answer is Answer.CONFIRMED:
        audit.note(request.tenant.pk, request.user, "confirmed that events arrive from", source.name)
    return answer

"""The pages of a source's delivery. Those that update by themselves answer htmx with the part that changes."""

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from delivery.models import Refusal, RetentionWarning
from delivery.pages.events import State, page_of
from delivery.pages.figures import charts_of
from delivery.pages.forms import EventFilterForm, RefusalFilterForm
from delivery.pages.listings import attempts_of, refusals_of
from delivery.pages.standing import standing_of
from delivery.pages.story import curl, highlighted, pretty, readable, story_of
from delivery.replayable import ENDED
from integrations.models import Source
from tenants.access import TenantRequest, tenant_view


@tenant_view()
@require_GET
def state(request: TenantRequest, source_id: int) -> HttpResponseBase:
    """The state of a source in a sentence and numbers, or the sentence alone, which pages ask for again and again."""
    source = _source(source_id)
    standing = standing_of(source)
    context = {"source": source, "standing": standing}
    if request.GET.get("part") == "sentence":
        return render(request, "delivery/sentence.html", context)
    return render(request, "delivery/state.html", {**context, "charts": charts_of(source, standing)})


@tenant_view()
@require_GET
def delivery(request: TenantRequest, source_id: int) -> HttpResponseBase:
    """The live debugger: the events of a source as they come, to be filtered, paused and paged through."""
    source = _source(source_id)
    form = EventFilterForm(request.GET)
    page = page_of(source, form.wanted, form.before_id)
    in_part = request.headers.get("HX-Request") == "true"
    if in_part and request.GET.get("seen") == page.digest:
        return HttpResponse(status=204)
    context = {
        "source": source,
        "form": form,
        "page": page,
        "query": _query(request, "seen", "before", "paused"),
        "paused": "paused" in request.GET,
        "newest": not form.before_id,
    }
    if not in_part:
        context["warning"] = latest_warning(source)
        context["standing"] = standing_of(source)
    response = render(request, "delivery/stream.html" if in_part else "delivery/delivery.html", context)
    # The same address answers a page or a part of it: a browser must not show one for the other.
    patch_vary_headers(response, ["HX-Request"])
    response.headers["Cache-Control"] = "no-store"
    return response


@tenant_view()
@require_GET
def event(request: TenantRequest, source_id: int, event_id: int) -> HttpResponseBase:
    """One event: its JSON, what the linter says of it, its batch, and each request with its answer."""
    source = _source(source_id)
    story = story_of(source, event_id)
    if story is None:
        return render(request, "delivery/no_event.html", {"source": source}, status=404)
    context = {"source": source, "story": story, "row": story.row, "event_id": event_id}
    if story.row and story.row.state == State.WAITING:
        context["standing"] = standing_of(source)
    if story.row and story.row.event.payload:
        context["json"] = highlighted(pretty(story.row.event.payload))
        context["curl"] = curl(source, story.row.event)
        context["resendable"] = bool(story.batches) and story.batches[-1].state in ENDED
    return render(request, "delivery/event.html", context)


@tenant_view()
@require_GET
def refusals(request: TenantRequest, source_id: int) -> HttpResponseBase:
    source = _source(source_id)
    form = RefusalFilterForm(request.GET)
    context = {
        "source": source,
        "form": form,
        "listing": refusals_of(source, form.wanted, form.before_id),
        "query": _query(request, "before"),
    }
    return render(request, "delivery/refusals.html", context)


@tenant_view()
@require_GET
def refusal(request: TenantRequest, source_id: int, refusal_id: int) -> HttpResponseBase:
    source = _source(source_id)
    refused = Refusal.objects.filter(source=source, pk=refusal_id).first()
    if refused is None:
        return render(request, "delivery/no_refusal.html", {"source": source}, status=404)
    context = {"source": source, "refusal": refused, "call": readable(refused.excerpt)}
    return render(request, "delivery/refusal.html", context)


@tenant_view()
@require_GET
def attempts(request: TenantRequest, source_id: int) -> HttpResponseBase:
    source = _source(source_id)
    form = EventFilterForm(request.GET)
    context = {"source": source, "listing": attempts_of(source, form.before_id)}
    return render(request, "delivery/attempts.html", context)


def latest_warning(source: Source) -> RetentionWarning | None:
    """What of this source comes to the end of its retention without being sent."""
    return RetentionWarning.objects.filter(source=source, ended_at=None).order_by("-pk").first()


def _source(source_id: int) -> Source:
    return get_object_or_404(Source, pk=source_id)


def _query(request: TenantRequest, *without: str) -> str:
    """What was asked, for links that ask for the same and something more."""
    asked = request.GET.copy()
    for name in without:
        asked.pop(name, None)
    return asked.urlencode()

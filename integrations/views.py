"""The settings pages of Segment sources. Every change is a POST; what has consequences tells them on a page first."""

from dataclasses import replace
from functools import partial

from django.forms import Form
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from integrations import services
from integrations.deeds import Deed, carry_out
from integrations.enums import SourceState
from integrations.errors import EditConflictError, SourceNameError
from integrations.forms import NameForm
from integrations.locking import stamp
from integrations.models import Source
from integrations.queries import sources_named
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.queries import page_of, searched

DELIVERY_STATE = ("delivery/source_state.html", "integrations/no_delivery_state.html")
"""The first of these templates that exists: delivery puts its part of a source's page there, unknown to this app."""

IDENTITIES = ("delivery/identities.html", "integrations/no_delivery_state.html")
"""The same, for whom a source's events are about."""

RENAMED = ("name",)
"""What the form of a name shows."""

SOURCES_SHOWN = 10
"""On the page of integrations; the list has them all."""

get_or_post = require_http_methods(["GET", "POST"])


@tenant_view()
@require_GET
def index(request: TenantRequest) -> HttpResponseBase:
    sources = sources_named()
    context = {"sources": sources[:SOURCES_SHOWN], "count": sources.count()}
    return render(request, "integrations/index.html", context)


@tenant_view()
@require_GET
def segment(request: TenantRequest) -> HttpResponseBase:
    search = searched(request)
    page = page_of(sources_named(search), request)
    context = {"page": page, "sources": page.object_list, "search": search, "may_change": may_change(request)}
    return render(request, "integrations/segment.html", context)


@tenant_view()
@require_GET
def source(request: TenantRequest, source_id: int) -> HttpResponseBase:
    shown = get_object_or_404(Source.objects.select_related("write_key"), pk=source_id)
    context = {"source": shown, "may_change": may_change(request), "delivery_state": DELIVERY_STATE}
    context["identities"] = IDENTITIES
    return render(request, "integrations/source.html", context)


@tenant_view(Role.ADMIN)
@get_or_post
def rename(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    form = NameForm(posted(request), initial={"name": changed.name})
    if not form.is_valid():
        return form_page(request, "rename", form, changed, RENAMED)
    name, before = form.cleaned_data["name"], changed.name
    deed = Deed(
        act=partial(services.rename_source, changed, name),
        note="renamed a connection to",
        done="is the name from now on.",
        edited=RENAMED,
        is_done=lambda: changed.name == name,
        details={"before": before},
    )
    try:
        carry_out(request, changed, deed)
    except SourceNameError as error:
        form.add_error("name", str(error))
        changed.name = before
        return form_page(request, "rename", form, changed, RENAMED)
    except EditConflictError:
        return form_page(request, "rename", form, changed, RENAMED, conflict=f"It is named “{changed.name}” now.")
    return redirect("integrations:source", request.tenant.slug, changed.pk)


@tenant_view(Role.ADMIN)
@require_POST
def pause(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    act = partial(services.pause_source, changed)
    done = "is paused. Events are kept and wait until you resume."
    return _put_in_state(request, changed, SourceState.PAUSED, Deed(act=act, note="paused", done=done))


@tenant_view(Role.ADMIN)
@require_POST
def resume(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    act = partial(services.resume_source, changed)
    done = "is sending again, what was waiting first."
    return _put_in_state(request, changed, SourceState.CONNECTED, Deed(act=act, note="resumed", done=done))


@tenant_view(Role.ADMIN)
@get_or_post
def disconnect(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    if request.method == "POST":
        act = partial(services.disconnect_source, changed)
        done = "is disconnected and its write key is erased."
        return _put_in_state(request, changed, SourceState.DISCONNECTED, Deed(act=act, note="disconnected", done=done))
    if changed.state == SourceState.DISCONNECTED:
        return redirect("integrations:source", request.tenant.slug, changed.pk)
    return render(request, "integrations/disconnect.html", {"source": changed})


def _put_in_state(request: TenantRequest, changed: Source, state: SourceState, deed: Deed) -> HttpResponseBase:
    carry_out(request, changed, replace(deed, is_done=lambda: changed.state == state))
    return redirect("integrations:source", request.tenant.slug, changed.pk)


def posted(request: HttpRequest) -> QueryDict | None:
    """The form's data; None, and not an empty form that would complain, when the page is only looked at."""
    return request.POST if request.method == "POST" else None


def form_page(
    request: TenantRequest, name: str, form: Form, source: Source, edited: tuple[str, ...] = (), *, conflict: str = ""
) -> HttpResponseBase:
    """The page of a form, with the stamp of what it shows; `conflict` says what somebody has made of it meanwhile."""
    context = {"form": form, "source": source, "seen": stamp(source, *edited), "conflict": conflict}
    return render(request, f"integrations/{name}.html", context, status=409 if conflict else 200)


def may_change(request: TenantRequest) -> bool:
    return Role(request.membership.role).includes(Role.ADMIN)

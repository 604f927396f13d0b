"""The settings pages of Segment sources. Every change is a POST; what has consequences tells them on a page first."""

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from integrations import services
from integrations.enums import Region, SourceState
from integrations.errors import SourceNameError, SourceStateError
from integrations.forms import ConnectForm, NameForm, ReconnectForm, RegionForm, WriteKeyForm
from integrations.models import Source
from integrations.queries import list_sources
from tenants import audit
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role

View = Callable[..., HttpResponseBase]

DELIVERY_STATE = ("delivery/source_state.html", "integrations/no_delivery_state.html")
"""The first of these templates that exists: delivery puts its part of a source's page there, unknown to this app."""

IDENTITIES = ("delivery/identities.html", "integrations/no_delivery_state.html")
"""The same, for whom a source's events are about."""

get_or_post = require_http_methods(["GET", "POST"])


def takes_a_write_key(view: View) -> View:
    """Keep the posted key out of error reports: neither the form nor any variable from here inward is shown."""
    return sensitive_post_parameters("write_key")(sensitive_variables()(view))


@tenant_view()
@require_GET
def index(request: TenantRequest) -> HttpResponseBase:
    return render(request, "integrations/index.html", {"sources": list_sources(request.tenant.pk)})


@tenant_view()
@require_GET
def segment(request: TenantRequest) -> HttpResponseBase:
    context = {"sources": list_sources(request.tenant.pk), "may_change": _may_change(request)}
    return render(request, "integrations/segment.html", context)


@tenant_view()
@require_GET
def source(request: TenantRequest, source_id: int) -> HttpResponseBase:
    shown = get_object_or_404(Source.objects.select_related("write_key"), pk=source_id)
    context = {"source": shown, "may_change": _may_change(request), "delivery_state": DELIVERY_STATE}
    context["identities"] = IDENTITIES
    return render(request, "integrations/source.html", context)


@takes_a_write_key
@tenant_view(Role.ADMIN)
@get_or_post
def connect(request: TenantRequest) -> HttpResponseBase:
    form = ConnectForm(_posted(request))
    if form.is_valid():
        try:
            connected = _connect(request, form)
        except SourceNameError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"“{connected}” is connected. From now on events are sent to it.")
            return redirect("integrations:source", request.tenant.slug, connected.pk)
    return render(request, "integrations/connect.html", {"form": form})


@takes_a_write_key
@tenant_view(Role.ADMIN)
@get_or_post
def reconnect(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    form = ReconnectForm(_posted(request), source=changed, initial={"region": changed.region})
    if form.is_valid():
        act = partial(services.reconnect_source, changed, form.cleaned_data["write_key"], form.cleaned_data["region"])
        done = "is connected again, and what was waiting is sent now."
        return _carry_out(request, changed, act, done, "reconnected")
    return render(request, "integrations/reconnect.html", {"form": form, "source": changed})


@takes_a_write_key
@tenant_view(Role.ADMIN)
@get_or_post
def replace_key(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source.objects.select_related("write_key"), pk=source_id)
    form = WriteKeyForm(_posted(request), source=changed)
    if form.is_valid():
        act = partial(services.replace_write_key, changed, form.cleaned_data["write_key"])
        done = "has a new write key. The next request uses it."
        return _carry_out(request, changed, act, done, "replaced the write key of")
    return render(request, "integrations/replace_key.html", {"form": form, "source": changed})


@tenant_view(Role.ADMIN)
@get_or_post
def change_region(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    form = RegionForm(_posted(request), initial={"region": changed.region})
    if form.is_valid():
        region: Region = form.cleaned_data["region"]
        act = partial(services.change_region, changed, region)
        done = f"sends to {region.label} from now on."
        return _carry_out(request, changed, act, done, "changed the region of", before=changed.region, after=region)
    return render(request, "integrations/change_region.html", {"form": form, "source": changed})


@tenant_view(Role.ADMIN)
@get_or_post
def rename(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    form = NameForm(_posted(request), initial={"name": changed.name})
    if form.is_valid():
        try:
            act = partial(services.rename_source, changed, form.cleaned_data["name"])
            done = "is the name from now on."
            return _carry_out(request, changed, act, done, "renamed a connection to", before=changed.name)
        except SourceNameError as error:
            form.add_error("name", str(error))
    return render(request, "integrations/rename.html", {"form": form, "source": changed})


@tenant_view(Role.ADMIN)
@require_POST
def pause(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    done = "is paused. Events are kept and wait until you resume."
    return _carry_out(request, changed, partial(services.pause_source, changed), done, "paused")


@tenant_view(Role.ADMIN)
@require_POST
def resume(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    done = "is sending again, what was waiting first."
    return _carry_out(request, changed, partial(services.resume_source, changed), done, "resumed")


@tenant_view(Role.ADMIN)
@get_or_post
def disconnect(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    if request.method == "POST":
        done = "is disconnected and its write key is erased."
        return _carry_out(request, changed, partial(services.disconnect_source, changed), done, "disconnected")
    if changed.state == SourceState.DISCONNECTED:
        return redirect("integrations:source", request.tenant.slug, changed.pk)
    return render(request, "integrations/disconnect.html", {"source": changed})


@transaction.atomic
def _connect(request: TenantRequest, form: ConnectForm) -> Source:
    given = {name: form.cleaned_data[name] for name in ("name", "region", "write_key")}
    connected = services.connect_source(request.tenant, **given)
    audit.note(request.tenant.pk, request.user, "connected", connected.name, region=connected.region)
    return connected


def _posted(request: HttpRequest) -> QueryDict | None:
    """The form's data; None, and not an empty form that would complain, when the page is only looked at."""
    return request.POST if request.method == "POST" else None


def _may_change(request: TenantRequest) -> bool:
    return Role(request.membership.role).includes(Role.ADMIN)


def _carry_out(
    request: TenantRequest, changed: Source, act: Callable[[], None], done: str, deed: str, **details: str
) -> HttpResponse:
    """Do it, note it in the history, say how it went, and go to the source's page.

    If somebody else was faster, nothing is done.
    """
    try:
        with transaction.atomic():
            act()
            audit.note(request.tenant.pk, request.user, deed, changed.name, **details)
    except SourceStateError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"“{changed.name}” {done}")
    return redirect("integrations:source", request.tenant.slug, changed.pk)

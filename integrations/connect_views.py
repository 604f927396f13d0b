"""The pages that take a write key or a region: with a new one, a source is unconfirmed until a code has come back."""

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from integrations import services
from integrations.deeds import Deed, carry_out
from integrations.enums import Region, SourceState
from integrations.errors import EditConflictError, SourceNameError
from integrations.forms import ConnectForm, ReconnectForm, RegionForm, WriteKeyForm
from integrations.models import Source
from integrations.queries import has_key
from integrations.views import form_page, get_or_post, posted
from tenants import audit
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.once import sent_once

_IN_SHADOW = "in shadow: events are captured and shown, and nothing is sent until you switch it on."

View = Callable[..., HttpResponseBase]

CREDENTIALS = ("version", "state")
"""What changes under the forms of this module: whoever saves an old one would undo somebody's newer key."""


def takes_a_write_key(view: View) -> View:
    """Keep the posted key out of error reports: neither the form nor any variable from here inward is shown."""
    return sensitive_post_parameters("write_key")(sensitive_variables()(view))


@takes_a_write_key
@tenant_view(Role.ADMIN)
@get_or_post
@sent_once
def connect(request: TenantRequest) -> HttpResponseBase:
    form = ConnectForm(posted(request))
    if form.is_valid():
        try:
            made = _connect(request, form)
        except SourceNameError as error:
            form.add_error("name", str(error))
        else:
            return _connected(request, made)
    return render(request, "integrations/connect.html", {"form": form})


@takes_a_write_key
@tenant_view(Role.ADMIN)
@get_or_post
def reconnect(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    form = ReconnectForm(posted(request), source=changed, initial={"region": changed.region})
    if not form.is_valid():
        return form_page(request, "reconnect", form, changed, CREDENTIALS)
    write_key, region = form.cleaned_data["write_key"], form.cleaned_data["region"]
    in_shadow = bool(changed.shadow_since) or form.cleaned_data["in_shadow"]
    state = SourceState.SHADOW if in_shadow else SourceState.CONNECTED
    deed = Deed(
        act=partial(services.reconnect_source, changed, write_key, region, in_shadow=in_shadow),
        note="reconnected in shadow" if in_shadow else "reconnected",
        done=f"is connected again, {_IN_SHADOW if in_shadow else 'and what was waiting is sent now.'}",
        edited=CREDENTIALS,
        is_done=lambda: (changed.region, changed.state) == (region, state) and has_key(changed, write_key),
    )
    return _carried_out(request, "reconnect", form, changed, deed)


@takes_a_write_key
@tenant_view(Role.ADMIN)
@get_or_post
def replace_key(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source.objects.select_related("write_key"), pk=source_id)
    form = WriteKeyForm(posted(request), source=changed)
    if not form.is_valid():
        return form_page(request, "replace_key", form, changed, CREDENTIALS)
    write_key = form.cleaned_data["write_key"]
    deed = Deed(
        act=partial(services.replace_write_key, changed, write_key),
        note="replaced the write key of",
        done="has a new write key. The next request uses it.",
        edited=CREDENTIALS,
        is_done=lambda: has_key(changed, write_key),
    )
    return _carried_out(request, "replace_key", form, changed, deed)


@tenant_view(Role.ADMIN)
@get_or_post
def change_region(request: TenantRequest, source_id: int) -> HttpResponseBase:
    changed = get_object_or_404(Source, pk=source_id)
    form = RegionForm(posted(request), initial={"region": changed.region})
    if not form.is_valid():
        return form_page(request, "change_region", form, changed, CREDENTIALS)
    region: Region = form.cleaned_data["region"]
    deed = Deed(
        act=partial(services.change_region, changed, region),
        note="changed the region of",
        done=f"sends to {region.label} from now on.",
        edited=CREDENTIALS,
        is_done=lambda: changed.region == region and changed.state != SourceState.DISCONNECTED,
        details={"before": changed.region, "after": region},
    )
    return _carried_out(request, "change_region", form, changed, deed)


@transaction.atomic
def _connect(request: TenantRequest, form: ConnectForm) -> Source:
    connected = services.connect_source(request.tenant, **form.connection, events_off=form.events_off)
    deed = "connected in shadow" if connected.state == SourceState.SHADOW else "connected"
    audit.note(request.tenant.pk, request.user, deed, connected.name, region=connected.region)
    return connected


def _connected(request: TenantRequest, made: Source) -> HttpResponseBase:
    """A source in shadow is sent nothing, no test event either: its own page tells how to go on."""
    if made.state == SourceState.SHADOW:
        messages.success(request, f"“{made}” is connected {_IN_SHADOW}")
        return redirect("integrations:source", request.tenant.slug, made.pk)
    messages.success(request, f"“{made}” is connected. From now on events are sent to it.")
    return redirect("integrations:check", request.tenant.slug, made.pk)


def _carried_out(
    request: TenantRequest, page: str, form: WriteKeyForm | RegionForm, changed: Source, deed: Deed
) -> HttpResponseBase:
    try:
        carry_out(request, changed, deed)
    except EditConflictError:
        key = f"a key that ends in {changed.write_key.last_four}" if hasattr(changed, "write_key") else "no key"
        now = (
            f"It is {changed.get_state_display().lower()} now, with {key}, and sends to {changed.get_region_display()}."
        )
        return form_page(request, page, form, changed, CREDENTIALS, conflict=now)
    unconfirmed = changed.state == SourceState.CONNECTED and not changed.is_confirmed
    return redirect(f"integrations:{'check' if unconfirmed else 'source'}", request.tenant.slug, changed.pk)

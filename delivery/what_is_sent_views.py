"""The page of what a source is sent: events, properties, people without a userId. It looks before it changes."""

from functools import partial

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render

from delivery import what_is_sent as lately
from integrations import services
from integrations.deeds import SEEN, Deed, carry_out
from integrations.errors import EditConflictError
from integrations.locking import stamp
from integrations.models import Source
from integrations.sent_forms import SentForm
from integrations.views import get_or_post, posted
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role

EDITED = ("identity", "events_off", "property_rules")

_AS_IS = "send it as it is"
_CONFLICT = "The page that you opened no longer shows what is sent: what you see below is your own choice."


@tenant_view(Role.ADMIN)
@get_or_post
def what_is_sent(request: TenantRequest, source_id: int) -> HttpResponseBase:
    """`preview` shows what the choice would do; without it, the choice is saved."""
    source = get_object_or_404(Source, pk=source_id)
    calls = lately.newest_calls(source)
    form = SentForm(
        posted(request),
        source=source,
        event_names=lately.tracked_names(source),
        property_names=lately.property_names(calls),
    )
    conflict = ""
    if form.is_valid() and "preview" not in request.POST:
        try:
            _save(request, source, form)
            # Not back to this page: after a preview the browser would go to the part that it showed, past what is said.
            return redirect("integrations:source", request.tenant.slug, source.pk)
        except EditConflictError:
            conflict = _CONFLICT
    context = {
        "source": source,
        "form": form,
        "seen": request.POST.get(SEEN, "") if _only_looks(request, conflict) else stamp(source, *EDITED),
        "conflict": conflict,
        "bill": lately.bill(source, form.events_off, form.chosen_identity),
        "preview": lately.preview(source, calls, form.events_off, form.property_rules, form.chosen_identity),
    }
    return render(request, "delivery/what_is_sent.html", context, status=409 if conflict else 200)


def _only_looks(request: TenantRequest, conflict: str) -> bool:
    """A preview or a mistake keeps the stamp of the page that was opened first."""
    return request.method == "POST" and not conflict


def _save(request: TenantRequest, source: Source, form: SentForm) -> None:
    changes = _changes(source, form)
    # A page that shows something else was sent before: whoever sends it twice is told the same twice.
    if not changes and request.POST.get(SEEN) in {None, stamp(source, *EDITED)}:
        messages.info(request, f"Nothing was changed: “{source.name}” is sent the same as before.")
    else:
        carry_out(request, source, _deed(source, form, changes))


def _changes(source: Source, form: SentForm) -> dict[str, str]:
    """What differs from now, in the words of the history."""
    off, rules, old = set(form.events_off), form.property_rules, source.property_rules
    changed = sorted(name for name in {*rules, *old} if rules.get(name) != old.get(name))
    told = {
        "identity": form.cleaned_data["identity"].label if form.cleaned_data["identity"] != source.identity else "",
        "events off": ", ".join(sorted(off - set(source.events_off))),
        "events on": ", ".join(sorted(set(source.events_off) - off)),
        "properties": ", ".join(
            f"{name}: {rules[name].label.lower() if name in rules else _AS_IS}" for name in changed
        ),
    }
    return {name: text for name, text in told.items() if text}


def _deed(source: Source, form: SentForm, changes: dict[str, str]) -> Deed:
    identity, events_off, rules = form.cleaned_data["identity"], form.events_off, form.property_rules
    return Deed(
        act=partial(
            services.choose_what_is_sent, source, identity=identity, events_off=events_off, property_rules=rules
        ),
        note="changed what is sent to",
        done="is sent what you have chosen, from the next event on. What was captured before stays as it is.",
        edited=EDITED,
        is_done=lambda: (source.identity, source.events_off, source.property_rules) == (identity, events_off, rules),
        details={**changes},
    )

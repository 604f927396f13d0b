"""Pages about what the tenant's workspace tells us of people."""

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from integrations.enums import KeyPurpose
from integrations.identity_forms import SharedSecretForm
from integrations.models import ApiKey, SharedSecret
from integrations.people import count_known
from integrations.secrets import Secret
from tenants.access import TenantRequest, tenant_view
from tenants.audit import note
from tenants.enums import Role
from tenants.once import sent_once
from tenants.queries import page_of

get_or_post = require_http_methods(["GET", "POST"])


@tenant_view()
@require_GET
def from_segment(request: TenantRequest) -> HttpResponseBase:
    """What the tenant's workspace has told us, and how to have it tell more."""
    keys = ApiKey.objects.filter(purpose=KeyPurpose.INBOUND, revoked_at=None).select_related("shared_secret")
    context = {
        "address": settings.SITE_URL.rstrip("/") + reverse("inbound"),
        "page": page_of(keys.order_by("-pk"), request),
        "known": count_known(request.tenant.pk),
        "may_change": Role(request.membership.role).includes(Role.ADMIN),
    }
    return render(request, "integrations/from_segment.html", context)


@sensitive_post_parameters("shared_secret")
@sensitive_variables()
@tenant_view(Role.ADMIN)
@get_or_post
@sent_once
def shared_secret(request: TenantRequest, key_id: int) -> HttpResponseBase:
    """Set the secret that Segment signs with, or ask for no signature any more."""
    key = get_object_or_404(ApiKey.objects.filter(purpose=KeyPurpose.INBOUND), pk=key_id)
    if key.revoked_at:
        messages.error(request, f"“{key.name}” is revoked: Segment is not let in with it. Nothing was changed.")
        return redirect("integrations:from_segment", request.tenant.slug)
    is_set = SharedSecret.objects.filter(api_key=key).exists()
    form = SharedSecretForm(request.POST if request.method == "POST" else None, is_set=is_set)
    if form.is_valid():
        secret: Secret | None = None if form.cleaned_data.get("remove") else form.cleaned_data["shared_secret"]
        with transaction.atomic():
            _store(key, secret)
            note(request.tenant.pk, request.user, f"{'set' if secret else 'removed'} the shared secret of", str(key))
        done = "Signatures are checked from now on." if secret else "No signature is asked for any more."
        messages.success(request, f"“{key.name}”: {done}")
        return redirect("integrations:from_segment", request.tenant.slug)
    return render(request, "integrations/shared_secret.html", {"form": form, "key": key, "is_set": is_set})


def _store(key: ApiKey, secret: Secret | None) -> None:
    # The key's row is held: two who set a secret at once would both find none.
    ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk)
    stored = SharedSecret.objects.filter(api_key=key).first()
    if secret is None:
        if stored:
            stored.delete()
        return
    stored = stored or SharedSecret(api_key=key)
    stored.seal(secret)
    stored.save()

"""The pages of a tenant's API keys: one for what Segment sends, and one for what the tenant's own servers send."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from integrations.api_key_forms import ApiKeyForm
from integrations.api_keys import api_keys_named, issue_api_key, revoke_api_key
from integrations.enums import KeyPurpose
from integrations.models import ApiKey
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.once import ShownOnce, sent_once
from tenants.queries import page_of, searched

get_or_post = require_http_methods(["GET", "POST"])


@tenant_view()
@require_GET
def api_keys(request: TenantRequest) -> HttpResponseBase:
    may_change = Role(request.membership.role).includes(Role.ADMIN)
    search = searched(request)
    page = page_of(api_keys_named(search), request)
    context = {"page": page, "search": search, "may_change": may_change, "address": settings.SITE_URL}
    return render(request, "integrations/api_keys.html", context)


@sensitive_variables("key_text")
@tenant_view(Role.ADMIN)
@never_cache
@get_or_post
@sent_once
def make_api_key(request: TenantRequest) -> HttpResponseBase:
    """The answer to the POST shows the key: a redirect would have to keep it somewhere until it is shown."""
    form = ApiKeyForm(request.POST if request.method == "POST" else None, initial=request.GET.dict())
    if not form.is_valid():
        return render(request, "integrations/make_api_key.html", {"form": form})
    purpose: KeyPurpose = form.cleaned_data["purpose"]
    key, key_text = issue_api_key(request.tenant, purpose, name=form.cleaned_data["name"], by=request.user)
    context = {"key": key, "key_text": key_text.reveal(), "address": settings.SITE_URL}
    page = render_to_string("integrations/api_key_made.html", context, request)
    return ShownOnce(page, others_to=reverse("integrations:made_before", args=[request.tenant.slug, key.pk]))


@tenant_view(Role.ADMIN)
@require_GET
def made_before(request: TenantRequest, key_id: int) -> HttpResponseBase:
    """Whoever sent the form twice may not have seen the key: then all that helps is another one."""
    return render(request, "integrations/api_key_made_before.html", {"key": get_object_or_404(ApiKey, pk=key_id)})


@tenant_view(Role.ADMIN)
@get_or_post
def revoke(request: TenantRequest, key_id: int) -> HttpResponseBase:
    key = get_object_or_404(ApiKey, pk=key_id)
    if request.method != "POST" and key.revoked_at is None:
        return render(request, "integrations/revoke_api_key.html", {"key": key})
    if request.method == "POST" and revoke_api_key(key, by=request.user):
        messages.success(request, f"“{key.name}” is revoked. Whoever still uses it is refused.")
    else:
        messages.info(request, f"“{key.name}” was revoked before.")
    return redirect("integrations:api_keys", request.tenant.slug)

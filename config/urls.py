from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path

from delivery import admin_deeds
from delivery.admin_board import staff_board
from delivery.review.views import staff_review
from integrations.inbound.views import inbound
from tenants import visit_views
from tenants.user_admin import act_on_account

# Without the secret anybody could post to them.
EMAIL_WEBHOOKS = (
    [path("webhooks/email/", include("integrations.email_webhook_urls"))]
    if "WEBHOOK_SECRET" in settings.ANYMAIL
    else []
)

handler500 = "config.errors.server_error"

urlpatterns = [
    path("", include("tenants.urls")),
    path("t/<slug:tenant_slug>/integrations/", include("integrations.urls")),
    path("t/<slug:tenant_slug>/integrations/segment/", include("delivery.urls")),
    path("t/<slug:tenant_slug>/campaigns/", include("examples.campaigns.urls")),
    path("alerts/", include("delivery.alerts.public_urls")),
    path("email/", include("examples.campaigns.public_urls")),
    *EMAIL_WEBHOOKS,
    path("", include("delivery.probe_urls")),
    path("v1/", include("delivery.ingest.urls")),
    # With a slash at its end or without: a redirect would lose the body.
    re_path(r"^segment/inbound/?$", inbound, name="inbound"),
    *([path("mailbox/", include("examples.campaigns.mailbox_urls"))] if settings.DEMO else []),
    path("admin/review/", staff_review, name="staff_review"),
    path("admin/tenants/<int:tenant_id>/visit/", visit_views.visit, name="staff_visit"),
    path("admin/users/<int:user_id>/<str:deed>/", act_on_account, name="staff_account"),
    path("admin/visit/leave/", visit_views.leave, name="staff_leave"),
    path("admin/sources/", staff_board, name="staff_board"),
    path("admin/sources/<int:source_id>/replay/", admin_deeds.replay_events, name="staff_replay"),
    path("admin/sources/<int:source_id>/<str:deed>/", admin_deeds.act, name="staff_act"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
]

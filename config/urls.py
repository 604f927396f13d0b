from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from delivery.review_views import staff_review

urlpatterns = [
    path("", include("tenants.urls")),
    path("t/<slug:tenant_slug>/integrations/", include("integrations.urls")),
    path("t/<slug:tenant_slug>/integrations/segment/", include("delivery.urls")),
    path("t/<slug:tenant_slug>/campaigns/", include("examples.campaigns.urls")),
    path("email/", include("examples.campaigns.public_urls")),
    path("", include("delivery.probe_urls")),
    path("v1/", include("delivery.ingest.urls")),
    *([path("mailbox/", include("examples.campaigns.mailbox_urls"))] if settings.DEMO else []),
    path("admin/review/", staff_review, name="staff_review"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
]

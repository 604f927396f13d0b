from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("tenants.urls")),
    path("t/<slug:tenant_slug>/integrations/", include("integrations.urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
]

"""Every URL that people come to: those of an installation, and the demo's mailbox."""

from django.urls import include, path

from config import urls

urlpatterns = [
    path("mailbox/", include("examples.campaigns.mailbox_urls")),
    *urls.urlpatterns,
]

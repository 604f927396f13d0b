"""The URLs of an installation with DEMO on, whatever the test run's own setting is."""

from django.urls import include, path

from config import urls

urlpatterns = [path("mailbox/", include("examples.campaigns.mailbox_urls")), *urls.urlpatterns]

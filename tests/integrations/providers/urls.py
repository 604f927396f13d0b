"""The site as it is when ANYMAIL_WEBHOOK_SECRET is set."""

from django.urls import include, path

from config.urls import urlpatterns as site

urlpatterns = [*site, path("webhooks/email/", include("integrations.email_webhook_urls"))]

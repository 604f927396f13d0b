"""Where email providers tell what became of emails: django-anymail's webhooks, those for incoming email left out."""

from anymail.urls import urlpatterns as anymail_urls

urlpatterns = [
    pattern
    for pattern in anymail_urls
    if pattern.name == "mandrill_webhook" or str(pattern.name).endswith("_tracking_webhook")
]

from django.urls import path

from examples.campaigns import mailbox_views

app_name = "mailbox"
urlpatterns = [
    path("", mailbox_views.inbox, name="inbox"),
    path("<int:mail_id>/", mailbox_views.mail, name="mail"),
    path("<int:mail_id>/body/", mailbox_views.body, name="body"),
]

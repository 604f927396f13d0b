from django.urls import path

from examples.campaigns import people_views, views

app_name = "campaigns"
urlpatterns = [
    path("", views.campaigns, name="list"),
    path("new/", views.create_campaign, name="create"),
    path("<int:campaign_id>/", views.campaign, name="campaign"),
    path("<int:campaign_id>/edit/", views.edit_campaign, name="edit"),
    path("<int:campaign_id>/body/", views.preview_body, name="preview-body"),
    path("<int:campaign_id>/send/", views.send_campaign, name="send"),
    path("<int:campaign_id>/send/confirm/", views.confirm_sending, name="confirm"),
    path("<int:campaign_id>/send/rest/", views.send_the_rest, name="send-rest"),
    path("people/", people_views.people, name="people"),
    path("people/new/", people_views.add_person, name="add-person"),
    path("people/<int:person_id>/", people_views.edit_person, name="edit-person"),
    path("people/<int:person_id>/remove/", people_views.remove_person, name="remove-person"),
    path("people/<int:person_id>/resubscribe/", people_views.resubscribe_person, name="resubscribe-person"),
]

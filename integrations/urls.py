from django.urls import path

from integrations import (
    api_key_views,
    check_views,
    connect_views,
    deletion_views,
    help_views,
    identity_views,
    views,
)

app_name = "integrations"
urlpatterns = [
    path("", views.index, name="index"),
    path("keys/", api_key_views.api_keys, name="api_keys"),
    path("keys/new/", api_key_views.make_api_key, name="make_api_key"),
    path("keys/<int:key_id>/made/", api_key_views.made_before, name="made_before"),
    path("keys/<int:key_id>/revoke/", api_key_views.revoke, name="revoke_api_key"),
    path("segment/", views.segment, name="segment"),
    path("segment/help/", help_views.help_page, name="help"),
    path("segment/people/", identity_views.from_segment, name="from_segment"),
    path("segment/people/<int:key_id>/secret/", identity_views.shared_secret, name="shared_secret"),
    path("segment/connect/", connect_views.connect, name="connect"),
    path("segment/<int:source_id>/", views.source, name="source"),
    path("segment/<int:source_id>/key/", connect_views.replace_key, name="replace_key"),
    path("segment/<int:source_id>/region/", connect_views.change_region, name="change_region"),
    path("segment/<int:source_id>/check/", check_views.check, name="check"),
    path("segment/<int:source_id>/check/send/", check_views.send_test, name="send_test"),
    path("segment/<int:source_id>/check/help/", check_views.not_showing, name="not_showing"),
    path("segment/<int:source_id>/name/", views.rename, name="rename"),
    path("segment/<int:source_id>/pause/", views.pause, name="pause"),
    path("segment/<int:source_id>/resume/", views.resume, name="resume"),
    path("segment/<int:source_id>/disconnect/", views.disconnect, name="disconnect"),
    path("segment/<int:source_id>/delete/", deletion_views.delete, name="delete"),
    path("segment/<int:source_id>/reconnect/", connect_views.reconnect, name="reconnect"),
]

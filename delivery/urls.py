from django.urls import path

from delivery import shadow_views
from delivery.alerts import views as alert_views
from delivery.pages import resend_views, views
from delivery.review import views as review_views
from delivery.what_is_sent_views import what_is_sent

app_name = "delivery"
urlpatterns = [
    path("review/", review_views.tenant_review, name="review"),
    path("<int:source_id>/sent/", what_is_sent, name="what_is_sent"),
    path("<int:source_id>/state/", views.state, name="state"),
    path("alerts/", alert_views.alerts, name="alerts"),
    path("alerts/limits/", alert_views.limits, name="alert_limits"),
    path("<int:source_id>/shadow/", shadow_views.enter, name="enter_shadow"),
    path("<int:source_id>/live/", shadow_views.live, name="go_live"),
    path("<int:source_id>/delivery/", views.delivery, name="delivery"),
    path("<int:source_id>/delivery/resend/", resend_views.resend_given_up, name="resend_given_up"),
    path("<int:source_id>/delivery/<int:event_id>/", views.event, name="event"),
    path("<int:source_id>/delivery/<int:event_id>/resend/", resend_views.resend, name="resend"),
    path("<int:source_id>/refused/", views.refusals, name="refusals"),
    path("<int:source_id>/refused/<int:refusal_id>/", views.refusal, name="refusal"),
    path("<int:source_id>/requests/", views.attempts, name="attempts"),
]

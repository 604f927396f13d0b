from django.urls import path

from examples.campaigns import public_views

app_name = "email"
urlpatterns = [
    path("open/<str:token>/", public_views.pixel, name="open"),
    path("click/<str:token>/", public_views.click, name="click"),
    path("unsubscribe/<str:token>/", public_views.unsubscribe, name="unsubscribe"),
]

from django.urls import path

from delivery import views

app_name = "delivery"
urlpatterns = [
    path("<int:source_id>/delivery/", views.delivery, name="delivery"),
]

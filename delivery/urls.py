from django.urls import path

from delivery import review_views, views

app_name = "delivery"
urlpatterns = [
    path("review/", review_views.tenant_review, name="review"),
    path("<int:source_id>/delivery/", views.delivery, name="delivery"),
]

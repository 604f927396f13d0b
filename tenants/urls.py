from django.urls import path

from tenants import views

app_name = "tenants"
urlpatterns = [
    path("", views.home, name="home"),
    path("new/", views.create, name="create"),
    path("t/<slug:tenant_slug>/", views.overview, name="overview"),
    path("t/<slug:tenant_slug>/members/", views.members, name="members"),
    path("t/<slug:tenant_slug>/settings/", views.settings, name="settings"),
]

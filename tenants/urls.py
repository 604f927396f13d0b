from django.urls import path

from tenants import account_views, audit_views, invitation_views, member_views, privacy_views, session_views, views
from tenants.exports import views as export_views

app_name = "tenants"
urlpatterns = [
    path("", views.home, name="home"),
    path("new/", views.create, name="create"),
    path("invitation/", invitation_views.invitation, name="invitation"),
    path("invitation/<str:token>/", invitation_views.invitation_link, name="invitation_link"),
    path("accounts/delete/", account_views.delete_account, name="delete_account"),
    path("accounts/sessions/<int:session_id>/end/", session_views.end_session, name="end_session"),
    path("t/<slug:tenant_slug>/", views.overview, name="overview"),
    path("t/<slug:tenant_slug>/members/", member_views.members, name="members"),
    path("t/<slug:tenant_slug>/members/leave/", member_views.leave, name="leave"),
    path("t/<slug:tenant_slug>/members/<int:user_id>/", member_views.member, name="member"),
    path("t/<slug:tenant_slug>/members/<int:user_id>/remove/", member_views.remove, name="remove"),
    path("t/<slug:tenant_slug>/members/<int:user_id>/transfer/", member_views.transfer, name="transfer"),
    path("t/<slug:tenant_slug>/invitations/", invitation_views.invitations, name="invitations"),
    path("t/<slug:tenant_slug>/invitations/<int:invitation_id>/resend/", invitation_views.resend, name="resend"),
    path("t/<slug:tenant_slug>/invitations/<int:invitation_id>/revoke/", invitation_views.revoke, name="revoke"),
    path("t/<slug:tenant_slug>/history/", audit_views.audit, name="audit"),
    path("t/<slug:tenant_slug>/privacy/", privacy_views.privacy, name="privacy"),
    path("t/<slug:tenant_slug>/privacy/export/", export_views.export, name="export"),
    path("t/<slug:tenant_slug>/privacy/export/state/", export_views.state, name="export_state"),
    path("t/<slug:tenant_slug>/privacy/export/<str:token>/", export_views.file, name="export_file"),
    path("t/<slug:tenant_slug>/delete/", privacy_views.delete, name="delete"),
    path("erasure/<uuid:erasure_id>/", privacy_views.receipt, name="receipt"),
    path("erasure/<uuid:erasure_id>/receipt.json", privacy_views.receipt_file, name="receipt_file"),
    path("t/<slug:tenant_slug>/settings/", views.settings, name="settings"),
]

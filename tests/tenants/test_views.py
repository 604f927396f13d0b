"""The pages of a tenant: home, naming one, switching, overview, members and settings."""

from django.urls import reverse


def test_overview_shows_tenant_role_and_members(viewer_client, owner, viewer):
    response = viewer_client.get(reverse("tenants:overview", args=["acme"]))
    page = response.content.decode()
    assert response.status_code == 200
    assert "<h1>Acme</h1>" in page
    assert "You are viewer here, as viewer@acme.test." in page
    assert owner.email in page

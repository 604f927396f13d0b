"""Times that Django's admin writes by itself."""


def test_times_in_the_admin_are_written_alike_and_with_their_zone(staff_client, tenant):
    page = staff_client.get("/admin/tenants/tenant/").content.decode()
    assert f"{tenant.created_at:%Y-%m-%d %H:%M:%S} UTC" in page

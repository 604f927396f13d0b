import pytest
from django.db import IntegrityError

from tenants.models import Membership, User


def test_user_email_is_kept_in_small_letters(db):
    assert User.objects.create_user("Ann@Acme.Test").email == "ann@acme.test"


def test_user_email_cannot_differ_in_case_only(db):
    User.objects.create_user("ann@acme.test")
    with pytest.raises(IntegrityError, match="user_email_lower"):
        User.objects.create(email="Ann@acme.test")


def test_membership_refuses_an_unknown_role(tenant, stranger):
    with pytest.raises(IntegrityError, match="membership_role_known"):
        Membership.objects.create(tenant=tenant, user=stranger, role="god")


@pytest.mark.parametrize(("role", "can"), [("owner", True), ("admin", True), ("viewer", False)])
def test_membership_can_administer_from_admin_up(role, can):
    assert Membership(role=role).can_administer is can

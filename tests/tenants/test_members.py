"""Changing who belongs to a tenant: who may do what to whom, and two at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core import mail
from django.db import connection

from tenants.enums import Role
from tenants.errors import MemberError, RoleConflictError
from tenants.invitations import invite
from tenants.members import GONE, LAST_OWNER, NOT_YOURS, change_role, leave_tenant, remove_member, transfer_ownership
from tenants.models import AuditEntry, Invitation, Membership
from tenants.scoping import scope
from tests.conftest import make_member, make_user

ROLES = [Role.OWNER, Role.ADMIN, Role.VIEWER]


def role_of(tenant, user):
    return Membership.objects.filter(tenant=tenant, user=user).values_list("role", flat=True).first()


def deeds(tenant):
    with scope(tenant.pk):
        return list(AuditEntry.objects.order_by("pk").values_list("by_label", "deed", "subject", "details"))


def second(tenant, role):
    user = make_user(f"second-{role}@acme.test")
    Membership.objects.create(tenant=tenant, user=user, role=role)
    return user


@pytest.mark.parametrize(
    ("actor", "member", "role", "allowed"),
    [
        ("owner", "viewer", "admin", True),
        ("owner", "viewer", "owner", True),
        ("owner", "admin", "viewer", True),
        ("owner", "owner", "viewer", True),
        ("admin", "viewer", "admin", True),
        ("admin", "viewer", "owner", False),
        ("admin", "admin", "viewer", True),
        ("admin", "admin", "owner", False),
        ("admin", "owner", "viewer", False),
        ("viewer", "viewer", "admin", False),
        ("viewer", "admin", "viewer", False),
        ("viewer", "owner", "viewer", False),
    ],
)
def test_change_role_is_for_admins_and_owners(tenant, actor, member, role, allowed):
    by, user = make_member(tenant, Role(actor)), second(tenant, Role(member))
    if allowed:
        change_role(tenant, user, Role(role), by=by)
    else:
        with pytest.raises(MemberError) as caught:
            change_role(tenant, user, Role(role), by=by)
        assert str(caught.value) == NOT_YOURS
    assert role_of(tenant, user) == (role if allowed else member)
    assert len(deeds(tenant)) == allowed


@pytest.mark.parametrize(
    ("actor", "member", "allowed"),
    [
        ("owner", "owner", True),
        ("owner", "admin", True),
        ("owner", "viewer", True),
        ("admin", "owner", False),
        ("admin", "admin", True),
        ("admin", "viewer", True),
        ("viewer", "viewer", False),
    ],
)
def test_remove_member_is_for_admins_and_owners(tenant, actor, member, allowed):
    by, user = make_member(tenant, Role(actor)), second(tenant, Role(member))
    if allowed:
        remove_member(tenant, user, by=by)
    else:
        with pytest.raises(MemberError):
            remove_member(tenant, user, by=by)
    assert role_of(tenant, user) == (None if allowed else member)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_transfer_ownership_is_for_owners(tenant, role, owner):
    by, user = make_member(tenant, role), second(tenant, Role.VIEWER)
    with pytest.raises(MemberError):
        transfer_ownership(tenant, user, by=by)
    assert role_of(tenant, user) == Role.VIEWER


def test_a_stranger_changes_nothing(tenant, owner, viewer, stranger):
    for act in (
        lambda: change_role(tenant, viewer, Role.ADMIN, by=stranger),
        lambda: remove_member(tenant, viewer, by=stranger),
        lambda: transfer_ownership(tenant, viewer, by=stranger),
    ):
        with pytest.raises(MemberError):
            act()
    assert role_of(tenant, viewer) == Role.VIEWER


def test_a_member_of_another_tenant_is_no_member_of_this(tenant, owner, stranger):
    with pytest.raises(MemberError) as caught:
        remove_member(tenant, stranger, by=owner)
    assert str(caught.value) == GONE


def test_change_role_tells_the_member_and_the_trail(tenant, owner, viewer, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        change_role(tenant, viewer, Role.ADMIN, by=owner)
        assert mail.outbox == []
    assert [(m.to, m.subject) for m in mail.outbox] == [(["viewer@acme.test"], "You are admin of Acme now")]
    assert "owner@acme.test changed your role in Acme: you are admin now." in mail.outbox[0].body
    details = {"before": "viewer", "after": "admin"}
    assert deeds(tenant) == [("owner@acme.test", "changed the role of", "viewer@acme.test", details)]


def test_change_role_to_the_same_changes_and_tells_nothing(tenant, owner, viewer, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        change_role(tenant, viewer, Role.VIEWER, by=owner)
    assert mail.outbox == []
    assert deeds(tenant) == []


def test_change_role_from_an_old_page_changes_and_tells_nothing(
    tenant, owner, viewer, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(RoleConflictError) as caught:
        change_role(tenant, viewer, Role.OWNER, by=owner, seen="admin")
    assert (caught.value.role, mail.outbox, deeds(tenant)) == (Role.VIEWER, [], [])
    change_role(tenant, viewer, Role.VIEWER, by=owner, seen="admin")
    assert (role_of(tenant, viewer), deeds(tenant)) == ("viewer", [])


def revoked(tenant):
    with scope(tenant.pk):
        return list(Invitation.objects.exclude(revoked_at=None).order_by("pk").values_list("email", flat=True))


def test_change_role_revokes_what_the_member_sent_to_a_higher_role(tenant, owner):
    """Or an owner who was demoted would be one again, by an invitation to another address of their own."""
    other = second(tenant, Role.OWNER)
    for role in ROLES:
        invite(tenant, f"{role}@friend.test", role, by=other)
    invite(tenant, "owner@else.test", Role.OWNER, by=owner)
    change_role(tenant, other, Role.ADMIN, by=owner)
    assert revoked(tenant) == ["owner@friend.test"]
    assert deeds(tenant)[-1] == ("owner@acme.test", "revoked the invitation of", "owner@friend.test", {})
    change_role(tenant, other, Role.VIEWER, by=owner)
    assert revoked(tenant) == ["owner@friend.test", "admin@friend.test"]


def test_change_role_to_a_higher_one_revokes_nothing(tenant, owner, admin):
    invite(tenant, "friend@acme.test", Role.ADMIN, by=admin)
    change_role(tenant, admin, Role.OWNER, by=owner)
    assert revoked(tenant) == []


def test_transfer_ownership_revokes_the_invitations_of_owners_that_the_old_one_sent(tenant, owner, admin):
    invite(tenant, "friend@acme.test", Role.OWNER, by=owner)
    invite(tenant, "other@acme.test", Role.ADMIN, by=owner)
    transfer_ownership(tenant, admin, by=owner)
    assert revoked(tenant) == ["friend@acme.test"]
    assert deeds(tenant)[-1] == ("owner@acme.test", "revoked the invitation of", "friend@acme.test", {})


def test_remove_member_tells_the_member_and_revokes_what_they_sent(
    tenant, owner, admin, django_capture_on_commit_callbacks
):
    invite(tenant, "friend@acme.test", Role.ADMIN, by=admin)
    invite(tenant, "other@acme.test", Role.ADMIN, by=owner)
    with django_capture_on_commit_callbacks(execute=True):
        remove_member(tenant, admin, by=owner)
    assert [(m.to, m.subject) for m in mail.outbox] == [(["admin@acme.test"], "You are no longer a member of Acme")]
    assert revoked(tenant) == ["friend@acme.test"]
    assert deeds(tenant)[-1] == ("owner@acme.test", "removed", "admin@acme.test", {"role": "admin"})


def test_leave_tenant_ends_the_membership(tenant, owner, viewer):
    leave_tenant(tenant, viewer)
    assert role_of(tenant, viewer) is None
    assert deeds(tenant) == [("viewer@acme.test", "left", "Acme", {"role": "viewer"})]


@pytest.mark.parametrize(
    "act",
    [
        leave_tenant,
        lambda tenant, owner: remove_member(tenant, owner, by=owner),
        lambda tenant, owner: change_role(tenant, owner, Role.ADMIN, by=owner),
    ],
)
def test_the_last_owner_stays(tenant, owner, admin, act):
    with pytest.raises(MemberError) as caught:
        act(tenant, owner)
    assert str(caught.value) == LAST_OWNER
    assert role_of(tenant, owner) == Role.OWNER


def test_an_owner_beside_another_may_leave(tenant, owner):
    second(tenant, Role.OWNER)
    leave_tenant(tenant, owner)
    assert role_of(tenant, owner) is None


def test_transfer_ownership_makes_the_old_owner_an_admin_and_tells_both(
    tenant, owner, viewer, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        transfer_ownership(tenant, viewer, by=owner)
    assert (role_of(tenant, owner), role_of(tenant, viewer)) == (Role.ADMIN, Role.OWNER)
    assert [m.to for m in mail.outbox] == [["viewer@acme.test"], ["owner@acme.test"]]
    assert deeds(tenant) == [("owner@acme.test", "transferred ownership to", "viewer@acme.test", {"before": "viewer"})]


def test_transfer_ownership_to_an_owner_changes_nothing(tenant, owner):
    other = second(tenant, Role.OWNER)
    with pytest.raises(MemberError, match="is an owner already"):
        transfer_ownership(tenant, other, by=owner)
    assert role_of(tenant, owner) == Role.OWNER


def at_once(*acts):
    """Run each in a thread and connection of its own, started together; what each raised, or None."""
    start = threading.Barrier(len(acts))

    def run(act):
        try:
            start.wait(10)
            act()
        except MemberError as error:
            return str(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_two_owners_who_demote_each_other_at_once_leave_one(tenant, owner, _round):
    other = second(tenant, Role.OWNER)
    outcomes = at_once(
        lambda: change_role(tenant, other, Role.VIEWER, by=owner),
        lambda: change_role(tenant, owner, Role.VIEWER, by=other),
    )
    assert sorted(outcomes, key=str) == sorted([None, NOT_YOURS], key=str)
    assert Membership.objects.filter(tenant=tenant, role=Role.OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_two_owners_who_leave_at_once_leave_one(tenant, owner, _round):
    other = second(tenant, Role.OWNER)
    outcomes = at_once(lambda: leave_tenant(tenant, owner), lambda: leave_tenant(tenant, other))
    assert sorted(outcomes, key=str) == sorted([None, LAST_OWNER], key=str)
    assert Membership.objects.filter(tenant=tenant, role=Role.OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_change_of_members_lets_rows_of_the_tenant_be_written_meanwhile(tenant, owner, viewer):
    """What refers to the tenant takes a key share lock on its row: the tenant's lock must not stand in its way."""
    from django.db import transaction

    from tenants.members import lock_tenant

    with transaction.atomic():
        lock_tenant(tenant)

        def write():
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '3s'")
            Membership.objects.create(tenant=tenant, user=make_user("new@acme.test"), role=Role.VIEWER)

        assert at_once(write) == [None]


@pytest.mark.django_db(transaction=True)
def test_two_who_give_a_member_another_role_at_once_are_told_of_each_other(tenant, owner, admin):
    other, told = second(tenant, Role.OWNER), []

    def give(role, by):
        try:
            change_role(tenant, admin, role, by=by, seen="admin")
        except RoleConflictError as conflict:
            told.append(conflict.role)

    assert at_once(lambda: give(Role.VIEWER, owner), lambda: give(Role.OWNER, other)) == [None, None]
    assert told == [role_of(tenant, admin)]

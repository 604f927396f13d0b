"""Invitations: who may send them, what the mail holds, and who may accept."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from django.utils import timezone

from tenants.enums import Role
from tenants.errors import InvitationError
from tenants.invitations import (
    ADDRESS_MAILS_A_DAY,
    GONE,
    TENANT_MAILS_A_DAY,
    accept_invitation,
    find_invitation,
    invite,
    obstacle,
    revoke_invitation,
    send_again,
)
from tenants.models import AuditEntry, Invitation, Membership
from tenants.scoping import every_tenant, scope
from tests.conftest import make_member, make_user

ANN = "ann@new.test"


@pytest.fixture
def sent(django_capture_on_commit_callbacks):
    """Invite by this function, and the mail is sent; gives the invitation and the token of its link."""

    def send(tenant, by, email=ANN, role=Role.VIEWER):
        with django_capture_on_commit_callbacks(execute=True):
            invitation = invite(tenant, email, role, by=by)
        return invitation, token_in(mail.outbox[-1])

    return send


def token_in(message):
    (token,) = re.findall(r"/invitation/(\S+)/\n", message.body)
    return token


def found(token):
    invitation = find_invitation(token)
    assert invitation is not None
    return invitation


def update(invitation, **values):
    with every_tenant():
        Invitation.objects.filter(pk=invitation.pk).update(**values)


def count():
    with every_tenant():
        return Invitation.objects.count()


def deeds(tenant):
    with scope(tenant.pk):
        return list(AuditEntry.objects.order_by("pk").values_list("by_label", "deed", "subject", "details"))


def test_invite_mails_a_link_to_the_address_and_says_so_in_the_trail(tenant, owner, sent):
    _, token = sent(tenant, owner, " Ann@New.test", Role.ADMIN)
    message = mail.outbox[0]
    assert message.to == [ANN]
    assert message.subject == "owner@acme.test invites you to Acme"
    assert f"http://127.0.0.1:8000/invitation/{token}/" in message.body
    assert "as admin" in message.body
    assert deeds(tenant) == [("owner@acme.test", "invited", ANN, {"role": "admin"})]


def test_invite_keeps_the_digest_of_a_long_random_token_and_not_the_token(tenant, owner, sent):
    invitation, token = sent(tenant, owner)
    _, other = sent(tenant, owner, "bob@new.test")
    assert len(token) == 43
    assert token != other
    with scope(tenant.pk):
        row: dict[str, Any] = dict(Invitation.objects.filter(pk=invitation.pk).values().get())
    assert bytes(row.pop("digest")) == sha256(token.encode()).digest()
    assert token not in repr(row) + repr(deeds(tenant))


def test_invite_sends_nothing_when_its_transaction_fails(tenant, owner, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(InvitationError):
        invite(tenant, owner.email, Role.VIEWER, by=owner)
    assert mail.outbox == []
    assert (count(), deeds(tenant)) == (0, [])


@pytest.mark.parametrize(
    ("actor", "role", "allowed"),
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
def test_invite_gives_no_role_above_ones_own(tenant, actor, role, allowed):
    by = make_member(tenant, Role(actor))
    if allowed:
        invite(tenant, ANN, Role(role), by=by)
    else:
        with pytest.raises(InvitationError, match="Your role does not allow this"):
            invite(tenant, ANN, Role(role), by=by)
    assert count() == allowed


@pytest.mark.parametrize("who", ["stranger", "staff"])
def test_invite_is_not_for_somebody_outside(tenant, request, who):
    with pytest.raises(InvitationError):
        invite(tenant, ANN, Role.VIEWER, by=request.getfixturevalue(who))
    assert count() == 0


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("owner@ACME.test", "owner@acme.test is already a member of Acme."),
        ("taken@new.test", "taken@new.test is invited already. You can send the mail again from the list below."),
        ("not an address", "“not an address” is not an email address."),
    ],
)
def test_invite_says_why_not(tenant, owner, email, reason):
    invite(tenant, "taken@new.test", Role.VIEWER, by=owner)
    with pytest.raises(InvitationError) as caught:
        invite(tenant, email, Role.VIEWER, by=owner)
    assert str(caught.value) == reason
    assert count() == 1


def test_invite_allows_the_same_address_in_two_tenants(tenant, other_tenant, owner, stranger):
    invite(tenant, ANN, Role.VIEWER, by=owner)
    invite(other_tenant, ANN, Role.VIEWER, by=stranger)
    assert count() == 2


def test_a_tenant_sends_so_many_invitations_a_day_and_revoking_makes_no_room(tenant, owner):
    first = invite(tenant, ANN, Role.VIEWER, by=owner)
    update(first, sends=TENANT_MAILS_A_DAY, revoked_at=timezone.now())
    with pytest.raises(InvitationError, match="has sent 200 invitations within a day"):
        invite(tenant, "bob@new.test", Role.VIEWER, by=owner)
    update(first, sent_at=timezone.now() - timedelta(days=1, seconds=1))
    invite(tenant, "bob@new.test", Role.VIEWER, by=owner)
    assert count() == 2


def test_an_address_gets_so_many_invitations_a_day_from_all_tenants(tenant, other_tenant, owner, stranger):
    update(invite(other_tenant, ANN, Role.VIEWER, by=stranger), sends=ADDRESS_MAILS_A_DAY)
    with pytest.raises(InvitationError, match="has been sent many invitations today"):
        invite(tenant, ANN, Role.VIEWER, by=owner)
    assert count() == 1


def test_send_again_makes_a_new_link_and_the_old_one_worthless(tenant, owner, sent, django_capture_on_commit_callbacks):
    invitation, old = sent(tenant, owner)
    long_ago = timezone.now() - timedelta(days=8)
    update(invitation, sent_at=long_ago, expires_at=long_ago + timedelta(days=7))
    assert "expired" in obstacle(found(old))
    with django_capture_on_commit_callbacks(execute=True):
        send_again(invitation, by=owner)
    new = token_in(mail.outbox[-1])
    assert find_invitation(old) is None
    assert obstacle(found(new)) == ""
    assert deeds(tenant)[-1] == ("owner@acme.test", "sent another invitation to", ANN, {})


def test_send_again_waits_a_minute(tenant, owner, sent):
    invitation, token = sent(tenant, owner)
    with pytest.raises(InvitationError, match="less than a minute ago"):
        send_again(invitation, by=owner)
    assert found(token).sends == 1


def test_an_admin_has_no_hand_in_the_invitation_of_an_owner(tenant, owner, admin, sent):
    invitation, token = sent(tenant, owner, role=Role.OWNER)
    for act in (send_again, revoke_invitation):
        with pytest.raises(InvitationError, match="Your role does not allow this"):
            act(invitation, by=admin)
    assert obstacle(found(token)) == ""


def test_revoke_makes_the_link_worthless(tenant, owner, sent):
    invitation, token = sent(tenant, owner)
    revoke_invitation(invitation, by=owner)
    with pytest.raises(InvitationError, match="withdrawn"):
        accept_invitation(found(token), make_user(ANN))
    assert Membership.objects.filter(tenant=tenant).count() == 1
    assert deeds(tenant)[-1] == ("owner@acme.test", "revoked the invitation of", ANN, {})


def test_revoke_of_what_is_revoked_changes_nothing(tenant, owner, sent):
    invitation, _ = sent(tenant, owner)
    revoke_invitation(invitation, by=owner)
    for act in (send_again, revoke_invitation):
        with pytest.raises(InvitationError) as caught:
            act(invitation, by=owner)
        assert str(caught.value) == GONE


def test_accept_makes_a_member_with_the_role(tenant, owner, sent):
    _, token = sent(tenant, owner, role=Role.ADMIN)
    member = accept_invitation(found(token), make_user(ANN))
    assert (member.tenant, member.role) == (tenant, "admin")
    assert deeds(tenant)[-1] == (ANN, "accepted the invitation to", "Acme", {"role": "admin"})


def test_accept_works_once(tenant, owner, sent):
    _, token = sent(tenant, owner)
    accept_invitation(found(token), make_user(ANN))
    with pytest.raises(InvitationError, match="used already"):
        accept_invitation(found(token), make_user("bob@new.test"))


def test_accept_is_refused_after_a_week(tenant, owner, sent):
    invitation, token = sent(tenant, owner)
    assert invitation.expires_at - invitation.sent_at == timedelta(days=7)
    update(invitation, expires_at=timezone.now())
    with pytest.raises(InvitationError, match="has expired"):
        accept_invitation(found(token), make_user(ANN))


def test_accept_is_for_the_address_alone(tenant, owner, sent):
    _, token = sent(tenant, owner)
    user = make_user("bob@new.test")
    with pytest.raises(InvitationError, match=f"This invitation is for {ANN}"):
        accept_invitation(found(token), user)
    assert not Membership.objects.filter(user=user).exists()
    assert obstacle(found(token)) == ""


def test_accept_needs_the_address_confirmed(tenant, owner, sent):
    _, token = sent(tenant, owner)
    user = make_user(ANN)
    EmailAddress.objects.filter(user=user).update(verified=False)
    with pytest.raises(InvitationError, match="confirm the address"):
        accept_invitation(found(token), user)
    EmailAddress.objects.filter(user=user).update(verified=True)
    assert accept_invitation(found(token), user).user == user


def test_accept_by_a_second_confirmed_address_of_the_account(tenant, owner, sent):
    _, token = sent(tenant, owner)
    user = make_user("bob@new.test")
    EmailAddress.objects.create(user=user, email=ANN, verified=True)
    assert accept_invitation(found(token), user).user == user


def test_accept_leaves_the_role_of_a_member_as_it_is(tenant, owner, viewer, sent):
    _, token = sent(tenant, owner, role=Role.ADMIN)
    EmailAddress.objects.create(user=viewer, email=ANN, verified=True)
    assert accept_invitation(found(token), viewer).role == "viewer"


@pytest.mark.parametrize("token", ["", "x", "\ud800", "\0", "a" * 5000])
def test_find_invitation_takes_any_token(db, token):
    assert find_invitation(token) is None


@pytest.mark.django_db(transaction=True)
def test_accept_twice_at_once_makes_one_member(tenant, owner):
    invitation = invite(tenant, ANN, Role.VIEWER, by=owner)
    user, start = make_user(ANN), threading.Barrier(2)

    def accept(_):
        try:
            start.wait(10)
            accept_invitation(invitation, user)
        except InvitationError as error:
            return str(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(accept, range(2)))
    used = "This invitation has been used already. Sign in to open the company."
    assert sorted(outcomes, key=str) == sorted([None, used], key=str)
    assert Membership.objects.filter(user=user).count() == 1
    assert [deed for _, deed, _, _ in deeds(tenant)] == ["invited", "accepted the invitation to"]


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_invite_the_same_address_at_once_send_one_mail(tenant, owner, admin):
    start = threading.Barrier(2)

    def send(by):
        try:
            start.wait(10)
            invite(tenant, ANN, Role.VIEWER, by=by)
        except InvitationError:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(send, [owner, admin]))
    assert sorted(outcomes, key=str) == [None, "refused"]
    assert len(mail.outbox) == 1

from argparse import ArgumentParser
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from tenants.audit import note
from tenants.models import Membership, User


class Command(BaseCommand):
    help = (
        "Take the second factor off an account whose owner has lost the phone and the recovery codes, and end its "
        "sessions. Be sure that it is the owner who asks: from then on the password alone opens the account."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL", help="the email address that the person signs in with")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email=options["email"].strip().lower()).first()
        if user is None:
            raise CommandError(f"Nobody signs in with {options['email']}.")
        removed, _ = Authenticator.objects.filter(user=user).delete()
        if not removed:
            raise CommandError(f"{user} has no second factor. Nothing was changed.")
        for session in UserSession.objects.filter(user=user):
            session.end()
        for tenant_id in Membership.objects.filter(user=user).values_list("tenant", flat=True):
            note(tenant_id, None, "took the second factor off", user.email)
        self.stdout.write(f"{user} signs in with the password alone now. All sessions are ended.")

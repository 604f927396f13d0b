"""A form that makes something makes it once, however often it is sent: without a script, too, and at the same moment.

Its page holds a fresh token. The first POST of it notes where it led, in the transaction that makes the thing; a second
one waits for that transaction, makes nothing, and is led there too. Something else in a field makes it another form.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar, cast

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from tenants.models import Submission, User

FIELD: Final = "once"
KEPT: Final = timedelta(days=1)
TWICE: Final = "You sent this form twice. It was done once."


class ShownOnce(HttpResponse):
    """A page that only the first POST may see, and the address that the others are led to."""

    def __init__(self, content: str, *, others_to: str) -> None:
        super().__init__(content)
        self.others_to = others_to


class NothingDone(HttpResponseRedirect):
    """The way back from a form that came to nothing: sent again, it is tried again."""


P = ParamSpec("P")
Request = TypeVar("Request", bound=HttpRequest)
View = Callable[Concatenate[Request, P], HttpResponseBase]


def sent_once(view: View[Request, P]) -> View[Request, P]:
    """For a view whose form has `{% once %}` in it; the whole POST is one transaction.

    A redirect or a ShownOnce is what the form came to. Any other answer, the form with its mistakes for instance, made
    nothing. A form without a token is not looked at: nobody has opened its page.

    It stands outside of `tenant_view` where the first POST takes away the right to send a second one.
    """

    @wraps(view)
    def wrapper(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.method != "POST" or not request.POST.get(FIELD) or not request.user.is_authenticated:
            return view(request, *args, **kwargs)
        with transaction.atomic():
            submission, is_first = _noted(request)
            if is_first:
                response = view(request, *args, **kwargs)
                _settle(submission, response)
                return response
        messages.info(request, TWICE)
        return redirect(submission.led_to)

    return wrapper


def _noted(request: HttpRequest) -> tuple[Submission, bool]:
    user = cast("User", request.user)
    Submission.objects.filter(user=user, at__lt=timezone.now() - KEPT).delete()
    return Submission.objects.get_or_create(mark=_mark(request), defaults={"user": user})


def _settle(submission: Submission, response: HttpResponseBase) -> None:
    match response:
        case ShownOnce():
            submission.led_to = response.others_to
        case HttpResponseRedirect() if not isinstance(response, NothingDone):
            submission.led_to = response.url
        case _:
            submission.delete()
            return
    submission.save(update_fields=["led_to"])


@sensitive_variables()
def _mark(request: HttpRequest) -> str:
    """Of all that was filled in. A keyed digest: the form may hold a write key."""
    filled_in = sorted((name, values) for name, values in request.POST.lists() if name != "csrfmiddlewaretoken")
    return salted_hmac(FIELD, repr([request.user.pk, request.path, filled_in]), algorithm="sha256").hexdigest()

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.clickjacking import xframe_options_sameorigin

from examples.campaigns.email_body import email_body
from examples.campaigns.mailbox import mails_for, open_mail
from examples.campaigns.models import MailboxMessage
from examples.campaigns.pages import ROWS_PER_PAGE
from tenants.models import User


@login_required
def inbox(request: HttpRequest) -> HttpResponse:
    mails = mails_for(_user(request)).defer("raw")
    return render(
        request, "mailbox/inbox.html", {"page": Paginator(mails, ROWS_PER_PAGE).get_page(request.GET.get("page"))}
    )


@login_required
def mail(request: HttpRequest, mail_id: int) -> HttpResponse:
    shown = _mail(request, mail_id)
    return render(request, "mailbox/mail.html", {"mail": shown, "opened": open_mail(shown)})


@login_required
@xframe_options_sameorigin
def body(request: HttpRequest, mail_id: int) -> HttpResponse:
    html = open_mail(_mail(request, mail_id)).html
    if html is None:
        raise Http404("This mail is text alone.")
    return email_body(html)


def _mail(request: HttpRequest, mail_id: int) -> MailboxMessage:
    return get_object_or_404(mails_for(_user(request)), pk=mail_id)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101 - login_required let nobody else through; for the type checker
    return request.user

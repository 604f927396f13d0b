from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.clickjacking import xframe_options_sameorigin

from examples.campaigns.email_body import email_body
from examples.campaigns.mailbox import mails_for, mails_to, open_mail
from examples.campaigns.models import MailboxMessage
from examples.campaigns.pages import ROWS_PER_PAGE
from tenants.models import User


def inbox(request: HttpRequest) -> HttpResponse:
    """One's own mail; of everybody, for staff, for a visitor, and for who asks for it."""
    user = _user(request)
    shows_all = user is None or user.is_staff or "all" in request.GET
    mails = mails_for(user) if user is None or shows_all else mails_to(user)
    page = Paginator(mails.defer("raw"), ROWS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "mailbox/inbox.html", {"page": page, "shows_all": shows_all})


def mail(request: HttpRequest, mail_id: int) -> HttpResponse:
    shown = _mail(request, mail_id)
    return render(request, "mailbox/mail.html", {"mail": shown, "opened": open_mail(shown)})


@xframe_options_sameorigin
def body(request: HttpRequest, mail_id: int) -> HttpResponse:
    html = open_mail(_mail(request, mail_id)).html
    if html is None:
        raise Http404("This mail is text alone.")
    return email_body(html)


def _mail(request: HttpRequest, mail_id: int) -> MailboxMessage:
    return get_object_or_404(mails_for(_user(request)), pk=mail_id)


def _user(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None

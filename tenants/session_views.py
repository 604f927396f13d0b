from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from tenants.sessions import described


@login_required
@require_http_methods(["GET", "POST"])
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """Of the user's other sessions; this one ends by signing out."""
    others = UserSession.objects.exclude(session_key=request.session.session_key)
    session = get_object_or_404(others, user=request.user, pk=session_id)
    if request.method != "POST":
        return render(request, "usersessions/end.html", {"session": session})
    get_adapter().end_sessions([session])
    messages.success(request, f"{described(session.user_agent)} is signed out.")
    return redirect("usersessions_list")

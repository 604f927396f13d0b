from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from tenants.context import tenancy


def test_tenancy_asks_nothing_for_an_anonymous_visitor(db, django_assert_num_queries):
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    with django_assert_num_queries(0):
        context = tenancy(request)
        assert (context["tenant"], context["membership"], list(context["my_tenants"])) == (None, None, [])


def test_tenancy_stands_a_request_without_a_user(db):
    assert list(tenancy(RequestFactory().get("/"))["my_tenants"]) == []


def test_tenancy_asks_once_and_only_when_used(viewer, tenant, django_assert_num_queries):
    request = RequestFactory().get("/")
    request.user = viewer
    with django_assert_num_queries(0):
        context = tenancy(request)
    with django_assert_num_queries(1):
        assert list(context["my_tenants"]) == [tenant]
        assert list(context["my_tenants"]) == [tenant]

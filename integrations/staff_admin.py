"""What staff's views of tenant data have in common: they look at every tenant, change nothing, and never count."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from unfold.admin import ModelAdmin

from tenants.models import Tenant
from tenants.scoping import every_tenant
from tenants.staff_pages import InfinitePaginator, staff_link

NOTHING: Final = "–"  # noqa: RUF001  # a dash is how an empty cell is set


class WithinFilter(admin.SimpleListFilter):
    """The newest rows by `time_field` of the model's admin."""

    title = "time"
    parameter_name = "within"
    spans: Final = {
        "15m": ("Last 15 minutes", timedelta(minutes=15)),
        "1h": ("Last hour", timedelta(hours=1)),
        "24h": ("Last 24 hours", timedelta(hours=24)),
        "7d": ("Last 7 days", timedelta(days=7)),
        "30d": ("Last 30 days", timedelta(days=30)),
    }

    def __init__(self, request: HttpRequest, params: Any, model: type[Model], model_admin: Any) -> None:
        self.time_field: str = model_admin.time_field
        super().__init__(request, params, model, model_admin)

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in self.spans.items()]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in self.spans:
            return queryset
        span = self.spans[str(self.value())][1]
        return queryset.filter(**{f"{self.time_field}__gte": timezone.now() - span})


def over_every_tenant(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Run a view, and render its answer, where queries see every tenant. Elsewhere they fail, as they should."""

    @wraps(view)
    def scoped(*args: Any, **kwargs: Any) -> HttpResponse:
        with every_tenant():
            response = view(*args, **kwargs)
            if isinstance(response, SimpleTemplateResponse):
                response.render()
            return response

    return scoped


class StaffAdmin(ModelAdmin):
    """A read-only list and page of a model that tenants own.

    A subclass sets `time_field` when it filters by time, and says what its search box finds in `search_condition`:
    only conditions that an index serves.
    """

    time_field = ""
    actions = None
    ordering: Sequence[str] = ("-pk",)
    sortable_by: Sequence[str] = ()
    """Of most columns there is no index."""
    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    paginator = InfinitePaginator
    show_facets = admin.ShowFacets.NEVER
    list_filter_sheet = False
    change_form_outer_before_template = "admin/staff/cards_before.html"
    change_form_outer_after_template = "admin/staff/cards_after.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    changelist_view = over_every_tenant(ModelAdmin.changelist_view)
    changeform_view = over_every_tenant(ModelAdmin.changeform_view)
    delete_view = over_every_tenant(ModelAdmin.delete_view)
    history_view = over_every_tenant(ModelAdmin.history_view)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """The whole term, spaces included: event names have them."""
        term = search_term.strip().replace("\x00", "")
        return (queryset.filter(self.search_condition(term)) if term else queryset), False

    def search_condition(self, term: str) -> Q:
        raise NotImplementedError

    def cards_before(self, request: HttpRequest, obj: Any) -> Iterable[dict[str, Any]]:
        """What an object's page shows above its fields; `table_card`, `text_card` and `links_card` make such cards."""
        return ()

    def cards_after(self, request: HttpRequest, obj: Any) -> Iterable[dict[str, Any]]:
        return ()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        context["cards_before"] = list(self.cards_before(request, obj))
        context["cards_after"] = list(self.cards_after(request, obj))
        response: HttpResponse = super().render_change_form(request, context, *args, obj=obj, **kwargs)
        return response


def table_card(title: str, headers: list[str], rows: Iterable[Iterable[Any]]) -> dict[str, Any]:
    return {"title": title, "table": {"headers": headers, "rows": [list(row) for row in rows]}}


def text_card(title: str, text: str) -> dict[str, Any]:
    return {"title": title, "text": text}


def links_card(title: str, links: Iterable[SafeString | str]) -> dict[str, Any]:
    return {"title": title, "links": list(links)}


def link(obj: Model | None, text: str = "") -> SafeString | str:
    """A link to the object's page in the admin, or its name where it has none there."""
    if obj is None:
        return NOTHING
    address = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])
    return staff_link(address, text or obj)


def list_link(model: type[Model], text: str, **lookups: Any) -> SafeString:
    """A link to the model's list, filtered."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    query = "&".join(f"{name}={value}" for name, value in lookups.items())
    return staff_link(f"{address}?{query}", text)


def badge(text: str, kind: str = "") -> SafeString:
    """`kind` is one of Unfold's: success, info, warning, danger, primary."""
    return mark_safe(render_to_string("unfold/helpers/label.html", {"text": text, "type": kind}))  # noqa: S308  # made by a template, which escapes


def at(moment: datetime | None) -> str:
    """To the second and in UTC, as in logs; Django's own form stops at minutes."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else NOTHING


def tenants_named(term: str) -> list[int]:
    return list(Tenant.objects.filter(Q(slug=term.lower()) | Q(name__iexact=term)).values_list("pk", flat=True))


def related(obj: Any, name: str) -> Any:
    """The one-to-one row of an object, or None where it has none."""
    try:
        return getattr(obj, name)
    except ObjectDoesNotExist:
        return None

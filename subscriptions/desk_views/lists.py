"""What the lists of the desk share: pages, filters that stay in the address, small pictures."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

M = TypeVar("M", bound=Model)
PER_PAGE = 50


def page_of(request: HttpRequest, rows: QuerySet[M]) -> dict[str, Any]:
    """The wanted page of `rows` for `_pager.html`; a number that makes no sense is the first."""
    page: Page[M] = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    return {"page_obj": page, "query": query.urlencode()}


@dataclass(frozen=True)
class Chart:
    """Counts by name for `_bars.html`: the longest bar fills the width."""

    title: str
    rows: list[tuple[str, int]]

    @property
    def top(self) -> int:
        return max((value for _, value in self.rows), default=0) or 1

    @classmethod
    def of(cls, title: str, counts: Iterable[tuple[str, int]]) -> "Chart":
        return cls(title, [(str(label), value) for label, value in counts])

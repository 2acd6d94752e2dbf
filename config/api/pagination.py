"""Pages by cursor: stable while rows are added, and as fast on the last page as on the first."""

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """By the time-ordered key, so that no two rows share a place."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = "-pk"

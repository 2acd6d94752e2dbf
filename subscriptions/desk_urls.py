"""The desk's pages about subscribers; mounted under /desk/."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []

"""The pages of the ground floor with nothing above them."""

from django.urls import include, path

urlpatterns = [path("", include("privacy.urls")), path("i18n/", include("django.conf.urls.i18n"))]

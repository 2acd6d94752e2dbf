"""Where the pages are. Everything below `privacy/`; whoever has no right sees nothing of it."""

from django.urls import include, path

from privacy.views import public

app_name = "privacy"

BY_LINK = [
    path("answer/<str:token>/", public.package, name="package"),
    path("proof/<str:token>/", public.proof, name="proof"),
    path("erased/<str:token>/", public.erased, name="erased"),
    path("erased/<str:token>/pdf/", public.erased_pdf, name="erased_pdf"),
]

urlpatterns = [path("privacy/", include([*BY_LINK]))]

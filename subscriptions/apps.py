from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SubscriptionsConfig(AppConfig):
    name = "subscriptions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from privacy.requests import approvals
        from subscriptions.actions import proposals
        from subscriptions.imports import jobs  # noqa: F401  # a worker has to know its task

        approvals.register(
            proposals.KIND,
            _("Publish a wording"),
            page="newsletter_proposal",
            on_approval=proposals.approved,
            on_refusal=proposals.refused,
        )

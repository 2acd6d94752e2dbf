"""The publisher who answers for it all."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Controller(models.Model):
    """The publisher who answers for the processing (Art. 4 no. 7 GDPR); one per installation."""

    name = models.CharField(_("Name"), max_length=200)
    address = models.TextField(_("Postal address"))
    email = models.EmailField(_("E-mail"))
    imprint_url = models.URLField(_("Imprint"))
    dpo_contact = models.TextField(_("Data-protection officer"))
    authority = models.CharField(_("Supervisory authority"), max_length=200)
    land = models.CharField(_("Land, for public holidays"), max_length=2, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="one_controller_per_installation")
        ]

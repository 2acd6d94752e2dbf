"""What other packages' tables keep: about staff, and never about subscribers."""

from django.utils.translation import gettext_lazy as _

from privacy.inventory import NOT_PERSONAL, AppData, Classified, Field, Klass

_SIGN_IN = Field(Klass.STAFF, _("Signing in"), "staff_account", export=False)
_SESSION = Field(Klass.STAFF, _("Staying signed in"), "security_log", export=False)
_LOOKING_UP = Field(Klass.STAFF, _("Tracing who changed what"), "security_log", export=False)

PERSONAL: dict[str, tuple[Field, str]] = {
    "account.EmailAddress": (_SIGN_IN, "id user email verified primary"),
    "account.EmailConfirmation": (_SIGN_IN, "id email_address created sent key"),
    "mfa.Authenticator": (_SIGN_IN, "id user type data created_at last_used_at"),
    "sessions.Session": (_SESSION, "session_key session_data expire_date"),
    "admin.LogEntry": (
        _LOOKING_UP,
        "id user action_time action_flag content_type object_id object_repr change_message",
    ),
}
# Tables of the machinery: no person stands in them, and the tasks in them carry no values.
MACHINERY: dict[str, str] = {
    "auth.Group": "id name",
    "auth.Group_permissions": "id group permission",
    "auth.Permission": "id name content_type codename",
    "contenttypes.ContentType": "id app_label model",
    "django_celery_beat.ClockedSchedule": "id clocked_time",
    "django_celery_beat.CrontabSchedule": "id minute hour day_of_week day_of_month month_of_year"
    " timezone",
    "django_celery_beat.IntervalSchedule": "id every period",
    "django_celery_beat.PeriodicTask": "id name task args kwargs queue exchange routing_key headers"
    " priority expires expire_seconds one_off start_time enabled last_run_at total_run_count"
    " date_changed description interval crontab solar clocked",
    "django_celery_beat.PeriodicTasks": "ident last_update",
    "django_celery_beat.SolarSchedule": "id event latitude longitude",
}


def _fields() -> dict[str, Classified]:
    fields: dict[str, Classified] = {}
    for table, (field, names) in PERSONAL.items():
        fields.update({f"{table}.{name}": field for name in names.split()})
    for table, names in MACHINERY.items():
        fields.update({f"{table}.{name}": NOT_PERSONAL for name in names.split()})
    return fields


DATA = AppData(app="config", fields=_fields())

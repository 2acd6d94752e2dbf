"""Technical and organisational measures (Art. 32 GDPR) that this software takes by itself."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# What each protects, and how. Only what is built: the tests of each stand beside its code.
MEASURES: tuple[tuple[str, "StrOrPromise", tuple["StrOrPromise", ...]], ...] = (
    (
        "encryption",
        _("Encryption"),
        (
            _("Addresses, names, messages and proofs are sealed with AES-256-GCM under a key of"
              " each person; the keys lie wrapped in a database of their own."),
            _("To find an address again there is a keyed hash; the suppression list holds Argon2id"
              " hashes only."),
        ),
    ),
    (
        "access",
        _("Access"),
        (
            _("Roles are separate: who sees people cannot send, who sends sees masked addresses."),
            _("Second factor for every member of staff; what cannot be taken back asks again."),
            _("Looking at a person needs a purpose, which is logged and told to the person."),
        ),
    ),
    (
        "integrity",
        _("Integrity and accountability"),
        (
            _("Consents and acts of staff are written to insert-only logs in the transaction of the"
              " act; each entry has its hash."),
            _("Decisions of weight need a second person."),
        ),
    ),
    (
        "erasure",
        _("Erasure"),
        (
            _("Terms are carried out by themselves. An erasure deletes rows and files, destroys the"
              " key, and is verified by a search."),
            _("Copies in backups of the data cannot be read once the key is destroyed and the"
              " short-lived backups of the key store are gone."),
        ),
    ),
    (
        "minimisation",
        _("Data minimisation"),
        (
            _("No tracking pixels, no links of one's own for each reader, no address book, no IP"
              " address of chats; statistics are counts."),
            _("Logs, task queues, addresses of pages and error texts hold no personal data."),
        ),
    ),
    (
        "availability",
        _("Availability and recovery"),
        (
            _("Whatever process dies, no message is lost or sent twice; what cannot be known is"
              " shown as in doubt."),
            _("A restored copy sends nothing until a person has released it."),
        ),
    ),
)  # fmt: skip

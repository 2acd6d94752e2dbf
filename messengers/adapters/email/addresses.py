"""Mail addresses: one spelling for each mailbox, and a mask for screens.

The local part is case-folded: the standard lets case matter there, mailboxes do not. `+tag` does.
The domain becomes its ASCII form after IDNA 2008; IDNA 2003 would send straße.de to strasse.de.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import idna

from messengers.contract import BadAddress

LOCAL_MAX, DOMAIN_MAX = 64, 253  # octets, RFC 5321 4.5.3.1
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def canonical(identifier: str) -> str:
    """The spelling under which an address is stored. Raises `BadAddress`."""
    text = unicodedata.normalize("NFC", identifier.strip().removeprefix("mailto:"))
    local, _, domain = text.rpartition("@")
    local = local.casefold()
    if not _LOCAL.fullmatch(local) or len(local.encode()) > LOCAL_MAX:
        raise BadAddress("This is no mail address: before the @ stands nothing usable.")
    return f"{local}@{_ascii_domain(domain)}"


def mask(address: str) -> str:
    """The first letter and the domain."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}" if local else "•••"


def own_address(address: str) -> str:
    """An address of ours with its domain in ASCII."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{own_domain(domain)}"


@lru_cache(maxsize=256)
def own_domain(domain: str) -> str:
    """A domain of ours in ASCII, as the wire wants it; one that cannot exist stays as it is.

    Unlike a reader's it may be one word, as on a test machine.
    """
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return domain


def _ascii_domain(domain: str) -> str:
    try:
        ascii_domain = idna.encode(domain.rstrip("."), uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        raise BadAddress("This is no mail address: its domain cannot exist.") from None
    labels = ascii_domain.split(".")
    if len(labels) < 2 or len(ascii_domain) > DOMAIN_MAX or labels[-1].isdigit():
        raise BadAddress("This is no mail address: its domain is incomplete.")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise BadAddress("This is no mail address: its domain cannot exist.")
    return ascii_domain

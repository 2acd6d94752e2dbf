"""Is the signer's key out of the reach of whoever asks? Otherwise its signatures protect little."""

import os

from privacy.audit.errors import SignerSays
from privacy.audit.signing import has_signer, signer_self

WARNINGS = {
    "root": "this process runs as root and could read the signer's key",
    "same_user": "the signer runs as the same user as this process, which could read its key",
    "readable": "this process can read the signer's key",
}


def lacks_distance() -> str:
    """Why this process could take the key, as a word of `WARNINGS`; empty if it cannot.

    Empty, too, where no signer is here or none answers: others tell that.
    """
    if not has_signer():
        return ""
    try:
        told = signer_self()
    except SignerSays:
        return ""
    if os.geteuid() == 0:
        return "root"
    if told.get("uid") == os.geteuid():
        return "same_user"
    return "readable" if os.access(str(told.get("key", "")), os.R_OK) else ""

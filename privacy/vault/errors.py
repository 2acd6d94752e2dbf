"""What may go wrong with sealed data. No message ever carries what was sealed."""


class VaultError(Exception):
    """The vault could not do what it was asked."""


class KeyDestroyed(VaultError):
    """The key is gone on purpose, after an erasure or an expired term. Nothing brings it back."""


class SealBroken(VaultError):
    """The bytes are no sealed value of this place: changed, moved to another row, or cut."""


class KeystoreDown(VaultError):
    """The database of keys does not answer. Nothing was read or written; try again later."""


class WrongRootKey(VaultError):
    """The key file belongs to another keystore. Nothing was written."""


class LinkInvalid(VaultError):
    """No link of ours, or one made for another purpose."""


class LinkExpired(LinkInvalid):
    """A link of ours whose time is over."""

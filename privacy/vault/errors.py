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


class EpochUnknown(KeystoreDown):
    """The key file of this host does not hold the key's epoch, or not yet. Nothing was changed."""


class NoEpochs(VaultError):
    """There is no key file that can be written, so the key that wraps keys stays what it is."""


class EpochInUse(VaultError):
    """Keys are still wrapped under this epoch. It was not retired."""


class LinkInvalid(VaultError):
    """No link of ours, or one made for another purpose."""


class LinkExpired(LinkInvalid):
    """A link of ours whose time is over."""

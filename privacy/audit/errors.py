"""What may go wrong with the audit log."""


class NotForTheLog(ValueError):
    """An entry would hold something that is not a small word, an id or a count."""


class OutsideTransaction(RuntimeError):
    """An entry must stand or fall with the act it tells of."""


class NeedsRebase(RuntimeError):
    """The database came out of a dump: a person has to say that the log goes on here."""


class SignerSays(RuntimeError):
    """The signer did not sign. `trouble` is the reason in one word, `size` what it knows."""

    def __init__(self, trouble: str, size: int = 0) -> None:
        super().__init__(f"the signer did not sign: {trouble}")
        self.trouble = trouble
        self.size = size

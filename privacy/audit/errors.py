"""What may go wrong with the audit log."""


class NotForTheLog(ValueError):
    """An entry would hold something that is not a small word, an id or a count."""


class OutsideTransaction(RuntimeError):
    """An entry must stand or fall with the act it tells of."""

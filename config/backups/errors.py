"""What may go wrong with copies; each is one sentence for the person at the keyboard."""


class BackupError(Exception):
    """The copy was not made or not put back; the sentence says why, and what to do."""

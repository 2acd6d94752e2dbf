"""What may go wrong here, in the words of the domain."""


class MessengersError(Exception):
    """The room of the messengers could not do what it was asked."""


class NotTheSameInstance(MessengersError):
    """This database is a copy: nothing is sent until somebody says which one lives."""


class NotInDoubt(MessengersError):
    """The delivery is not in doubt (any more): there is nothing to settle."""


class FooterMissing(MessengersError):
    """Somebody it would go to must be told how to object, and the message does not say it."""

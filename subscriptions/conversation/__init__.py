"""What the service answers to what people write. One word is enough for everything."""

from subscriptions.conversation.incoming import Incoming, understand
from subscriptions.conversation.talk import answer

__all__ = ["Incoming", "answer", "understand"]

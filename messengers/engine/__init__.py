"""The engine: sends what is due, knows what it cannot know, and never writes to anybody twice.

`run` is a worker; any number may run at once, on any number of hosts. One commit records the
answers that came and the intents that refill the window; only what is in a committed intent is
sent (docs/delivery.md).
"""

from messengers.engine.sweep import sweep
from messengers.engine.worker import run

__all__ = ["run", "sweep"]

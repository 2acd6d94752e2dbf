"""The rows of the crash matrix that processes, hooks and the database's death make up."""

from tests.chaos.rows import hooks, named, processes

__all__ = ["hooks", "named", "processes"]

"""What happens around the engine: brokers, lines, clocks, disks and databases that fail.

Importing this registers the scenarios; `MATRIX_LONG=1` plays their long forms.
"""

from tests.chaos.matrix import beats, disks, doorbells, failover, jumps, links, storms

__all__ = ["beats", "disks", "doorbells", "failover", "jumps", "links", "storms"]

"""Where the embedded clusters live, and how they are reached."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode

OWNER = "jawort_owner"
APP = "jawort_app"
DATABASE = "jawort"
CLUSTERS = ("data", "keystore")


@dataclass(frozen=True)
class Home:
    """The folder of the clusters, decided at the first start and written down in `var/`."""

    folder: Path

    @classmethod
    def of(cls, var: Path) -> Self:
        try:
            return cls(Path(json.loads((var / "embedded.json").read_text())["folder"]))
        except (OSError, ValueError, KeyError):
            return cls(var / "postgresql")

    def cluster(self, name: str) -> Path:
        return self.folder / name

    def sockets(self, name: str) -> Path:
        return self.folder / f"{name}.sockets"

    def url(self, name: str, owner: bool = False) -> str:
        """Peer authentication over the socket: no password exists that could leak."""
        role = OWNER if owner else APP
        return f"postgresql://{role}@/{DATABASE}?" + urlencode(
            {"host": str(self.sockets(name))}, quote_via=quote
        )

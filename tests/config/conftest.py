from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.houses import passable_folder


@pytest.fixture
def var() -> Iterator[Path]:
    """Where a house may keep its data; nothing is there yet."""
    with passable_folder() as folder:
        yield folder / "var"

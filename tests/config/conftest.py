import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters import in_memory


@pytest.fixture
def var() -> Iterator[Path]:
    """A folder that the servers' own user may pass, as below most clones; pytest's are 0700."""
    folder = Path(tempfile.mkdtemp(prefix="jawort-house-", dir=in_memory()))
    folder.chmod(0o711)
    yield folder / "var"
    shutil.rmtree(folder)

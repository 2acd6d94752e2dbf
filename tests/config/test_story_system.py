"""The story's own house knows nothing of an installation that is meant for real work."""

import os
import re
from pathlib import Path

from config.story.system import own_environment, sign_ins_in

PROJECT = Path(__file__).resolve().parent.parent.parent


def test_no_setting_of_a_real_installation_reaches_it() -> None:
    listed = re.findall(r"^#?\s*([A-Z][A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.M)
    assert {"DATABASE_URL", "KEYSTORE_URL", "SECRET_KEY", "JAWORT_KEY"} <= set(listed)
    given = dict.fromkeys(listed, "of the real one") | {"PATH": "/bin", "HOME": "/root"}

    made = own_environment(given)

    assert made == {"PATH": "/bin", "HOME": "/root", "JAWORT_ENV_FILE": os.devnull}


def test_sign_ins_are_read_as_the_first_start_prints_them() -> None:
    said = "x\n  editor         e@example.org             abc-1\n  dpo   d@example.org  p_2\n"

    assert sign_ins_in(said) == {
        "editor": ("e@example.org", "abc-1"),
        "dpo": ("d@example.org", "p_2"),
    }

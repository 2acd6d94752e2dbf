"""The signer of the logs, started beside the other programs: a user of its own if root starts us.

docs/audit.md says what this separation protects and what it does not.
"""

import os
import pwd
import subprocess
import sys
from collections.abc import Callable

from config.embedded.home import Home
from config.embedded.plan import Plan

SIGNER_USER = "jawort-signer"
# A Unix socket's path has 107 bytes.
SOCKET_BYTES_MAX = 100


def signer_command(plan: Plan, say: Callable[[str], None]) -> dict[str, list[str]]:
    """The program by its name, its key and state made; nothing where it is started elsewhere."""
    socket = plan.var / "run" / "signer.sock"
    if os.environ.get("JAWORT_SIGNER_SOCKET"):
        return {}
    if len(os.fsencode(socket)) > SOCKET_BYTES_MAX:
        say(f"The signer is not started: {socket} is too long for a socket. Set JAWORT_VAR.")
        return {}
    script = str(plan.project / "privacy" / "audit" / "signer.py")
    home = Home.of(plan.var).folder if plan.embedded else plan.var
    folder = str(home / "signer")
    logs = (f"{plan.origin.netloc}/{name}" for name in ("audit", "consent"))
    told = subprocess.run(
        [
            sys.executable,
            script,
            "init",
            folder,
            *(part for log in logs for part in ("--log", log)),
        ],
        capture_output=True,
        text=True,
        cwd="/",
    )
    if told.returncode:
        say(f"The signer is not started: {(told.stderr.strip().splitlines() or ['?'])[-1]}")
        return {}
    command = [sys.executable, script, "sign", folder, "--socket", str(socket)]
    user = _own_user()
    return {"signer": [*command, *(["--user", user] if user else [])]}


def _own_user() -> str:
    """For root, a system user that nothing else runs as; for anybody else nobody."""
    if os.geteuid() != 0:
        return ""
    try:
        return pwd.getpwnam(SIGNER_USER).pw_name
    except KeyError:
        shell = ["--shell", "/usr/sbin/nologin"]
        command = ["useradd", "--system", "--no-create-home", *shell, SIGNER_USER]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return ""
        return SIGNER_USER

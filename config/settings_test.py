"""The settings of the tests: the same house, with secrets known to all and cheaper hashes.

Nothing here may turn off what a test wants to see: it only makes tests fast.
"""

import base64
import os
import re
import tempfile

os.environ.setdefault("JAWORT_KEY", base64.b64encode(b"jawort test key, known to all...").decode())
os.environ.setdefault("SECRET_KEY", "known to all, for tests only, fifty characters long or more")
os.environ.setdefault("JAWORT_ENV_FILE", os.devnull)
os.environ.setdefault("JAWORT_ORIGIN", "http://127.0.0.1:8000")
os.environ.setdefault("JAWORT_SMTP_URL", "smtp://127.0.0.1:8025")
os.environ.setdefault("CELERY_BROKER_URL", "jawort-files://localhost")
os.environ.setdefault("JAWORT_VAR", f"{tempfile.gettempdir()}/jawort-test-var-{os.getpid()}")
# Each worker of a parallel run has a folder of its own, as it has a database of its own: the file
# that ties the two together lies there, and whoever ends first removes the folder.
os.environ["JAWORT_VAR"] = re.sub(
    r"(?<=jawort-test-var-)\d+$",
    lambda run: run.group() + os.environ.get("PYTEST_XDIST_WORKER", ""),
    os.environ["JAWORT_VAR"],
)

from config.settings import *  # noqa: F403
from config.settings import CELERY_BROKER_TRANSPORT_OPTIONS  # noqa: F401

SUPPRESSION_ARGON2 = (8, 1)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
JAWORT_DEMO = False
# Each client of a test starts the middlewares anew, and WhiteNoise would read every static file.
WHITENOISE_AUTOREFRESH = True

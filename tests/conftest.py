"""One pair of private clusters for each run, one pair of databases for each worker.

Nothing needs to be running. With DATABASE_URL and KEYSTORE_URL set, the databases are made on those
servers instead (their role needs CREATEDB). Tests run as the owner of the tables; the fixture
`as_app` shows what the role of the running app may do.
"""

import gc
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from allauth.account.internal.flows.login import record_authentication
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.management.commands import flush
from django.db import connections
from django.http import HttpRequest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from pytest_django.plugin import DjangoDbBlocker

from config.databases import grant, migrate
from config.embedded.home import APP, DATABASE, OWNER, Home
from config.logs import JsonFormatter
from config.translations import compile_catalogues
from messengers import stopping
from tests.clusters import PROJECT, TemporaryClusters, prepared, store_for

ALIASES = ("default", "keystore")
CLUSTER_OF = {"default": "data", "keystore": "keystore"}
OBJECTS_BETWEEN_COLLECTIONS = 50_000
DROP_TRIES = 20
GIVEN = bool(os.environ.get("DATABASE_URL"))


class Run:
    """What the workers of one run share: where the clusters are, and its databases' name."""

    clusters: TemporaryClusters | None = None
    store: Path | None = None
    folder = ""
    name = uuid.uuid4().hex[:8]


def pytest_configure(config: pytest.Config) -> None:
    shared = getattr(config, "workerinput", {}).get("jawort")
    if shared:
        Run.folder, Run.name = shared
    else:
        compile_catalogues()


def pytest_configure_node(node: Any) -> None:
    """Called in the controller of xdist for each worker, before it starts."""
    node.workerinput["jawort"] = (_clusters_folder(), Run.name)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        if GIVEN:
            _drop_templates()
        if Run.clusters:
            Run.clusters.stop()
    shutil.rmtree(settings.JAWORT_VAR, ignore_errors=True)


def _clusters_folder() -> str:
    if not GIVEN and not Run.folder:
        Run.clusters = TemporaryClusters(store=Run.store).start()
        Run.folder = str(Run.clusters.folder)
    return Run.folder


def _store() -> Path | None:
    """What decides how a migrated database looks: migrations, their helpers, other packages."""
    return store_for(
        *PROJECT.glob("*/migrations/*.py"),
        *PROJECT.glob("*/*/migrations/*.py"),
        *(PROJECT / "privacy" / "audit" / name for name in ("insert_only.py", "prune.py")),
        PROJECT / "config" / "databases.py",
        PROJECT / "config" / "settings.py",
        PROJECT / "requirements.txt",
    )


Run.store = _store()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that wants the database gets both: keys and data are never apart in the code."""
    for item in items:
        marker = item.get_closest_marker("django_db")
        fixtures = set(getattr(item, "fixturenames", ()))
        if marker or fixtures & {"db", "transactional_db", "live_server"}:
            wanted = dict(marker.kwargs) if marker else {}
            wanted.setdefault("databases", list(ALIASES))
            if fixtures & {"transactional_db", "live_server"}:
                wanted.setdefault("transaction", True)
            item.add_marker(pytest.mark.django_db(**wanted), append=False)


def pytest_collection_finish() -> None:
    """What is imported by now stays: looking through it again and again costs a tenth of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


@pytest.fixture(scope="session")
def clusters() -> Path:
    """The folder of this run's clusters: `<name>.log` is a server's log; Home.of() knows more."""
    if GIVEN:
        pytest.skip("The clusters are not ours: DATABASE_URL is set.")
    return Path(_clusters_folder())


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    if GIVEN:
        return
    home = Home.of(Path(_clusters_folder()))
    for alias in ALIASES:
        socket = str(home.socket_folder(CLUSTER_OF[alias]))
        settings.DATABASES[alias].update(HOST=socket, USER=OWNER, NAME=DATABASE)


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_modify_db_settings: None,
    worker_id: str,
) -> Iterator[None]:
    """Copy this worker's databases from a template that the first worker has migrated."""
    from tests.emptying import QuickFlush  # needs the apps

    with django_db_blocker.unblock():
        for alias in ALIASES:
            with _server(alias) as server:
                _make_template(server, alias)
                _copy(server, alias, f"test_{Run.name}_{worker_id}")
    flush.Command = QuickFlush  # type: ignore[misc]
    yield
    with django_db_blocker.unblock():
        for alias in ALIASES:
            connections[alias].close()
            with _server(alias) as server:
                _drop(server, f"test_{Run.name}_{worker_id}")


def _template() -> str:
    return f"test_{Run.name}_template" if GIVEN else "test_template"


@contextmanager
def _server(alias: str) -> Iterator[psycopg.Connection]:
    values = settings.DATABASES[alias]
    with psycopg.connect(
        host=values["HOST"],
        port=values["PORT"] or None,
        user=values["USER"],
        password=values["PASSWORD"] or None,
        dbname="postgres",
        autocommit=True,
    ) as server:
        yield server


def _make_template(server: psycopg.Connection, alias: str) -> None:
    """The first worker migrates, the others wait for its lock and find the work done."""
    server.execute("SELECT pg_advisory_lock(hashtext(%s))", [Run.name])
    try:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        if not server.execute(query, [_template()]).fetchone():
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_template())))
            _migrate_template(server, alias)
    except BaseException:
        connections[alias].close()
        _drop(server, _template())
        raise
    finally:
        server.execute("SELECT pg_advisory_unlock(hashtext(%s))", [Run.name])


def _migrate_template(server: psycopg.Connection, alias: str) -> None:
    _use(alias, _template())
    migrate(alias)
    if server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APP]).fetchone():
        grant(connections[alias], APP)
    connections[alias].close()
    # Somebody may have changed a migration meanwhile: then it is not known what this is.
    if not GIVEN and _store() == Run.store:
        prepared(Path(Run.folder), CLUSTER_OF[alias]).touch()


def _copy(server: psycopg.Connection, alias: str, name: str) -> None:
    _drop(server, name)
    server.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(_template())
        )
    )
    _use(alias, name)


def _drop(server: psycopg.Connection, name: str) -> None:
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    for _ in range(DROP_TRIES):
        # An autovacuum that just works in there is not ours to end; it is soon done.
        try:
            server.execute(drop)
        except InsufficientPrivilege:
            time.sleep(0.5)
        else:
            return
    server.execute(drop)


def _drop_templates() -> None:
    for alias in ALIASES:
        with suppress(psycopg.OperationalError), _server(alias) as server:
            _drop(server, _template())


def _use(alias: str, name: str) -> None:
    connections[alias].close()
    settings.DATABASES[alias]["NAME"] = name
    connections[alias].settings_dict["NAME"] = name


@pytest.fixture(autouse=True)
def force_login_shows_both_factors() -> Iterator[None]:
    """`client.force_login(user)` is a whole sign-in: it stands for the password and the code."""

    def shown(request: HttpRequest, user: Any, **more: Any) -> None:
        if type(request) is HttpRequest:  # made by the test client; a page's is a subclass
            record_authentication(request, user, "mfa", type="totp", reauthenticated=True)

    user_logged_in.connect(shown)
    yield
    user_logged_in.disconnect(shown)


AsApp = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def as_app(db: None) -> AsApp:
    """`with as_app("default"):` has the rights of the running app, not those of the owner."""

    @contextmanager
    def become(alias: str = "default") -> Iterator[None]:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APP])
            if not cursor.fetchone():
                pytest.skip(f"This server has no role {APP}.")
            cursor.execute(f"SET ROLE {APP}")
        try:
            yield
        finally:
            if not connections[alias].needs_rollback:
                with connections[alias].cursor() as cursor:
                    cursor.execute("RESET ROLE")

    return become


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """Everything that the house logs, as it would be written in production."""
    file = tmp_path / "jawort.log"
    handler = logging.FileHandler(file)
    handler.setFormatter(JsonFormatter())
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield file
    root.removeHandler(handler)
    handler.close()
    root.setLevel(before)


@pytest.fixture(autouse=True)
def nobody_is_told_to_stop() -> None:
    """Whoever forks a worker and ends it has told us, too: they share that byte of memory."""
    stopping.forget()

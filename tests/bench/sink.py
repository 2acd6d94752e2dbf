"""The provider of the measurements: `sink.c`, built when it is asked for.

    with Sink(latency_ms=50, tls=True) as sink:
        sink.url, sink.ca_file, sink.stats()

The program lives in a temporary folder and ends with this process, even a killed one: it watches
its standard input. Without a C compiler `NoCompiler` says what to install.
"""

import datetime
import json
import os
import shutil
import socket
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

SOURCES = Path(__file__).parent
PREFIX = "jawort-bench-"


class NoCompiler(RuntimeError):
    """There is nothing to build the loopback provider with."""


@lru_cache(maxsize=1)
def workshop() -> Path:
    """The folder of what was built, gone with this process."""
    # Kept by the cache, so it is cleaned up at the end of the process and not before.
    return Path(_folder().name)


@lru_cache(maxsize=1)
def _folder() -> "tempfile.TemporaryDirectory[str]":
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not Path("/proc", old.name.removeprefix(PREFIX).partition("-")[0]).exists():
            shutil.rmtree(old, ignore_errors=True)  # of a bench that was killed
    return tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-")


@lru_cache(maxsize=8)
def built(source: str, *flags: str) -> Path:
    """The program made of `source`, a file of this folder."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise NoCompiler(
            "The bench builds its loopback provider with a C compiler and found none: install one"
            " (Debian: apt install gcc libc6-dev libssl-dev) or name it in the variable CC."
        )
    program = workshop() / "-".join([Path(source).stem, *(flag.strip("-") for flag in flags)])
    command = [compiler, "-O2", "-o", str(program), *flags[:1], str(SOURCES / source), *flags[1:]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NoCompiler(f"{compiler} cannot build {source}: {done.stderr.strip()[-600:]}")
    return program


def with_tls() -> Path:
    """The program that speaks TLS, too."""
    try:
        return built("sink.c", "-DWITH_TLS", "-lssl", "-lcrypto")
    except NoCompiler as error:
        raise NoCompiler(
            f"{error} For TLS OpenSSL's headers are needed (Debian: apt install libssl-dev);"
            " without them run the parts without TLS."
        ) from None


class Sink:
    """One provider on loopback; a context manager. Latencies in milliseconds, shares 0 to 1."""

    def __init__(
        self,
        *,
        tls: bool = False,
        smtp: bool = False,
        latency_ms: float = 0.0,
        slow_share: float = 0.0,
        slow_ms: float = 0.0,
        status: int = 0,
        status_share: float = 0.0,
        retry_after: int = 1,
    ) -> None:
        self.is_tls = tls
        self.is_smtp = smtp
        self.ca_file = ""
        manners = {
            "--latency": latency_ms,
            "--slow-share": slow_share,
            "--slow-ms": slow_ms,
            "--status": status,
            "--status-share": status_share,
            "--retry-after": retry_after,
        }
        self._options = [str(part) for pair in manners.items() for part in pair]

    def __enter__(self) -> Self:
        command = [str(with_tls() if self.is_tls else built("sink.c")), *self._options]
        if self.is_smtp:
            command.append("--smtp")
        if self.is_tls:
            certificate, key = make_certificate(workshop())
            self.ca_file = str(certificate)
            command += ["--tls", str(certificate), str(key)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate(timeout=10)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """What it has used up to now."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stats(self) -> dict[str, Any]:
        """Its own counts; over plain HTTP alone."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as line:
            line.sendall(b"GET /stats HTTP/1.1\r\n\r\n")
            found: dict[str, Any] = json.loads(line.recv(4096).partition(b"\r\n\r\n")[2])
        return found


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, good for a day: (certificate, key)."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    if certificate.exists():
        return certificate, secret
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    certificate.write_bytes(signed.public_bytes(pem))
    return certificate, secret

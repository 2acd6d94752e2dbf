"""A time-stamping authority on loopback: real HTTP, real answers made by `openssl ts`."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CONFIG = """[tsa]
default_tsa = here
[here]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""
REJECTION = bytes.fromhex("30053003020102")  # TimeStampResp with PKIStatus 2 and nothing else


class Authority:
    """Keys and answers. `way` decides: good, rejection, other_text, http_500, noise."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.way, self.asked, self.url = folder, "good", 0, ""
        self.roots = folder / "root.pem"
        root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = certificate(f"Root of {folder.name}", root_key, root_key, None)
        self.roots.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        own = certificate("TSA", key, root_key, root)
        (folder / "tsa.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
        pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        (folder / "tsa.key").write_bytes(key.private_bytes(*pem, serialization.NoEncryption()))
        (folder / "serial").write_text("01\n")
        (folder / "config").write_text(CONFIG)

    def answer(self, request: bytes) -> bytes:
        self.asked += 1
        if self.way == "rejection":
            return REJECTION
        if self.way == "noise":
            return b"this is no answer"
        (self.folder / "asked").write_bytes(request)
        if self.way == "other_text":
            return self.stamped("-digest", sha256(b"another text").hexdigest())
        return self.reply()

    def stamped(self, *what: str) -> bytes:
        self.openssl("-query", *what, "-sha256", "-cert", "-out", "asked")
        return self.reply()

    def reply(self) -> bytes:
        self.openssl("-reply", "-config", "config", "-queryfile", "asked", "-out", "answer")
        return (self.folder / "answer").read_bytes()

    def openssl(self, *arguments: str) -> str:
        done = subprocess.run(
            ["openssl", "ts", *arguments], cwd=self.folder, capture_output=True, text=True
        )
        return done.stdout


def certificate(name, key, issuer_key, issuer):
    """A root (`issuer` is None), or a certificate that may do nothing but stamp."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
    )
    if issuer:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        made = made.add_extension(usage, critical=True)
    else:
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(issuer_key, hashes.SHA256())


@contextmanager
def serving(authority: Authority) -> Iterator[Authority]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            is_query = self.headers["Content-Type"] == "application/timestamp-query"
            raw = authority.answer(request)
            self.send_response(500 if authority.way == "http_500" or not is_query else 200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *values: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    authority.url = f"http://127.0.0.1:{server.server_port}/tsr"
    try:
        yield authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

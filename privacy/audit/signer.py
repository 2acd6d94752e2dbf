#!/usr/bin/env python3
"""The signer of the logs' checkpoints, and a witness for other hosts. One file, no Jawort needed.

It needs Python 3.11 and the package `cryptography`. It remembers the size and root of each log that
it signed last, and never signs a tree that is smaller or not a continuation of that one:

    signer.py init FOLDER --log news.example.org/audit        make key and state, print the key
    signer.py sign FOLDER --socket PATH                       for the same host, by a Unix socket
    signer.py witness FOLDER --listen HOST:PORT --name NAME   for other hosts, by HTTP
    signer.py keys FOLDER [--name NAME]                       print the keys that others need
    signer.py rotate FOLDER                                   a new key, signed by the old one
    signer.py forget FOLDER --log NAME                        accept a restored, smaller log

With --user it gives up root's rights for those of that user, whose folder it then is.

A witness is told the log's key instead of its name: --log news.example.org/audit+1234abcd+AbC…
It speaks c2sp.org/tlog-witness; formats are those of c2sp.org/signed-note and tlog-cosignature.
"""

import argparse
import base64
import fcntl
import json
import os
import pwd
import secrets
import shutil
import socket
import socketserver
import sys
import threading
import time
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519, COSIGNATURE, ML_DSA_44 = 0x01, 0x04, 0x06
BODY_BYTES_MAX = 64 * 1024
PROOF_LINES_MAX = 63
EMPTY_ROOT = sha256(b"").digest()


class Refused(Exception):
    """Not signed: the status says why, the text helps whoever asked."""

    def __init__(self, status: int, text: str, kind: str = "text/plain") -> None:
        super().__init__(text)
        self.status, self.text, self.kind = status, text, kind


class Asked(NamedTuple):
    """An `add-checkpoint` request, read."""

    old: int
    proof: list[bytes]
    text: str  # the checkpoint without its signatures
    lines: list[str]  # its signatures
    origin: str
    size: int
    root: bytes


class Folder:
    """Key and state of one signer: `key.json` (0400) and one file per log, all in a 0700 folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()

    def make(self, logs: list[str], ml_dsa: bool) -> None:
        """Make what is missing. What is there stays, but a known log may get a further key."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.path / "key.json").exists():
            seeds = {"ed25519": secrets.token_hex(32)}
            if ml_dsa:
                seeds["ml_dsa_44"] = secrets.token_hex(32)
            self.write("key.json", {**seeds, "earlier": [], "logs": []}, 0o400)
        key = self.key()
        for log in logs:
            origin = log.split("+")[0]
            state = self.state(origin)
            if state is None and origin in key["logs"]:
                sys.exit(
                    f"What was signed last of {origin} is lost: put its file back from a copy."
                )
            state = state or new_state(origin)
            key["logs"] = sorted({*key["logs"], origin})
            if "+" in log and log not in state["keys"]:
                state["keys"].append(log)
            self.write(file_of(origin), state)
        if key != self.key():
            self.write("key.json", key, 0o400)

    def key(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.path / "key.json").read_text())
        return found

    def state(self, origin: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.path / file_of(origin)).read_text())
        except FileNotFoundError:
            return None
        return found

    def write(self, name: str, value: dict[str, Any], mode: int = 0o600) -> None:
        """All or nothing, and on disk before anybody is told."""
        part = self.path / f"{name}.part"
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as handle:
            json.dump(value, handle)
            handle.flush()
            os.fsync(handle.fileno())
        os.rename(part, self.path / name)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def hold(self) -> int:
        """Be the only one; the lock ends with the process."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"Another signer already works in {self.path}.")
        return descriptor


class Desk:
    """Decides and signs. `name` is a witness's own; a signer takes the log's name."""

    def __init__(self, folder: Folder, name: str = "") -> None:
        self.folder, self.name = folder, name
        seeds = folder.key()
        self.ed25519 = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seeds["ed25519"]))
        self.ml_dsa = ml_dsa_key(seeds.get("ml_dsa_44"))
        self.earlier: list[str] = seeds["earlier"]

    def add_checkpoint(self, body: str) -> str:
        """The signature lines for a checkpoint that continues the last one; or `Refused`."""
        asked = read_request(body)
        with self.folder.lock:
            state = self.folder.state(asked.origin)
            if state is None:
                raise Refused(404, "this log is not known here")
            if self.name and not any(has_signed(key, asked) for key in state["keys"]):
                raise Refused(403, "no signature of a key that is believed for this log")
            check(asked, state["size"], bytes.fromhex(state["root"]))
            if asked.size != state["size"]:
                grown = {**state, "size": asked.size, "root": asked.root.hex()}
                self.folder.write(file_of(asked.origin), grown)
            return self.sign(asked)

    def sign(self, asked: Asked) -> str:
        name, now = self.name or asked.origin, int(time.time())
        if self.name:
            text = f"cosignature/v1\ntime {now}\n{asked.text}"
            signature = now.to_bytes(8, "big") + self.ed25519.sign(text.encode())
        else:
            signature = self.ed25519.sign(asked.text.encode())
        lines = [line(name, self.kind, self.public, signature)]
        if self.ml_dsa:
            key = self.ml_dsa.public_key().public_bytes_raw()
            signature = self.ml_dsa.sign(subtree(name, now, asked))
            lines.append(line(name, ML_DSA_44, key, now.to_bytes(8, "big") + signature))
        return "".join(lines)

    @property
    def kind(self) -> int:
        return COSIGNATURE if self.name else ED25519

    @property
    def public(self) -> bytes:
        return self.ed25519.public_key().public_bytes_raw()

    def keys(self, origin: str = "") -> list[str]:
        """The keys that others need to check these signatures."""
        name = self.name or origin
        made = [vkey(name, self.kind, self.public)]
        if self.ml_dsa:
            made.append(vkey(name, ML_DSA_44, self.ml_dsa.public_key().public_bytes_raw()))
        return made

    def told(self) -> str:
        """What a signer tells whoever may speak with it: keys and what it signed last, by log."""
        logs = {}
        for file in self.folder.path.glob("log-*.json"):
            state = json.loads(file.read_text())
            logs[state["origin"]] = {
                "size": state["size"],
                "root": state["root"],
                "keys": self.keys(state["origin"]),
                "rotations": [note for note in self.earlier if state["origin"] in note],
                "rolled_back": state["rolled_back"],
            }
        return json.dumps(logs)


def check(asked: Asked, size: int, root: bytes) -> None:
    """Is this a continuation of what was signed last? `Refused` says no."""
    if asked.old > asked.size:
        raise Refused(400, "the old size is larger than the checkpoint's")
    if asked.old != size or (asked.size == size and asked.root != root):
        raise Refused(409, f"{size}\n", "text/x.tlog.size")
    if not is_consistent(size, root, asked.size, asked.root, asked.proof):
        raise Refused(422, "this tree does not continue the one that was signed last")


def is_consistent(size: int, root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162, 2.1.4.2."""
    if size in (0, new):
        return not proof and (size == 0 or root == new_root) and (new > 0 or new_root == EMPTY_ROOT)
    if not proof:
        return False
    at, last = size - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    steps = proof if at else [root, *proof]
    old_sum = new_sum = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_sum, new_sum = node(step, old_sum), node(step, new_sum)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new_sum = node(new_sum, step)
        at, last = at >> 1, last >> 1
    return last == 0 and old_sum == root and new_sum == new_root


def read_request(body: str) -> Asked:
    """`Refused` (400) for anything that is not exactly as the specification writes it."""
    try:
        before, _, checkpoint = body.partition("\n\n")
        first, *proof = before.split("\n")
        text, _, signatures = checkpoint.partition("\n\n")
        text = text.rstrip("\n") + "\n"
        origin, size, root, *more = text.splitlines()
        asked = Asked(
            number(first.removeprefix("old ")),
            [hash_of(step) for step in proof],
            text,
            signatures.splitlines(),
            origin,
            number(size),
            hash_of(root),
        )
        if not first.startswith("old ") or not origin or more or len(proof) > PROOF_LINES_MAX:
            raise ValueError
    except ValueError:
        raise Refused(400, "this is no add-checkpoint request") from None
    return asked


def number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or text != str(int(text)):
        raise ValueError
    return int(text)


def hash_of(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    if len(raw) != 32:
        raise ValueError
    return raw


def has_signed(key: str, asked: Asked) -> bool:
    """Whether one of the checkpoint's lines is the Ed25519 signature of this log key."""
    name, key_id, encoded = key.split("+", 2)
    raw = base64.b64decode(encoded)
    for given in asked.lines:
        parts = given.split(" ")
        with suppress(ValueError, InvalidSignature):
            signature = base64.b64decode(parts[-1], validate=True)
            if (parts[0], parts[1], signature[:4].hex()) == ("—", name, key_id):
                public = Ed25519PublicKey.from_public_bytes(raw[1:])
                public.verify(signature[4:], asked.text.encode())
                return raw[0] == ED25519
    return False


def subtree(name: str, now: int, asked: Asked) -> bytes:
    """What ML-DSA-44 signs: the cosigned message of c2sp.org/tlog-cosignature."""
    names = [bytes([len(part)]) + part for part in (name.encode(), asked.origin.encode())]
    numbers = [value.to_bytes(8, "big") for value in (now, 0, asked.size)]
    return b"".join([b"subtree/v1\n\0", names[0], numbers[0], names[1], *numbers[1:], asked.root])


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def key_number(name: str, kind: int, public: bytes) -> bytes:
    return sha256(f"{name}\n".encode() + bytes([kind]) + public).digest()[:4]


def vkey(name: str, kind: int, public: bytes) -> str:
    encoded = base64.b64encode(bytes([kind]) + public).decode()
    return f"{name}+{key_number(name, kind, public).hex()}+{encoded}"


def line(name: str, kind: int, public: bytes, signature: bytes) -> str:
    encoded = base64.b64encode(key_number(name, kind, public) + signature).decode()
    return f"— {name} {encoded}\n"


def ml_dsa_key(seed: str | None) -> Any:
    """None without such a key; needs a `cryptography` that knows ML-DSA."""
    if not seed:
        return None
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    return MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(seed))


def file_of(origin: str) -> str:
    return f"log-{sha256(origin.encode()).hexdigest()[:16]}.json"


def new_state(origin: str) -> dict[str, Any]:
    empty = EMPTY_ROOT.hex()
    return {"origin": origin, "keys": [], "size": 0, "root": empty, "rolled_back": []}


def forget(folder: Folder, origin: str) -> None:
    """Begin this log again; what was signed before stays written, for everybody to see."""
    state = folder.state(origin)
    if state is None:
        sys.exit(f"No log {origin} is known here.")
    before = {"size": state["size"], "root": state["root"], "at": int(time.time())}
    again = new_state(origin)
    again |= {"keys": state["keys"], "rolled_back": [*state["rolled_back"], before]}
    folder.write(file_of(origin), again)


def rotate(folder: Folder) -> None:
    """A new key. A note, signed by both, says which follows which; the old one is destroyed."""
    old, notes = Desk(folder), []
    seeds = {"ed25519": secrets.token_hex(32)}
    if old.ml_dsa:
        seeds["ml_dsa_44"] = secrets.token_hex(32)
    new = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seeds["ed25519"]))
    for file in folder.path.glob("log-*.json"):
        origin = json.loads(file.read_text())["origin"]
        key = vkey(origin, ED25519, new.public_key().public_bytes_raw())
        text = (
            f"jawort-key-rotation/1\n{origin}\n{int(time.time())}\n{old.keys(origin)[0]}\n{key}\n"
        )
        lines = [
            line(
                origin, ED25519, signer.public_key().public_bytes_raw(), signer.sign(text.encode())
            )
            for signer in (old.ed25519, new)
        ]
        notes.append(text + "\n" + "".join(lines))
    kept = {"earlier": [*old.earlier, *notes], "logs": folder.key()["logs"]}
    folder.write("key.json", {**seeds, **kept}, 0o400)


class Door(BaseHTTPRequestHandler):
    """`POST /add-checkpoint`, and for those at the Unix socket `GET /logs` and `GET /self`."""

    desk: Desk
    timeout = 10
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not self.path.endswith("/add-checkpoint") or not length.isdigit():
            return self.answer(404, "there is only add-checkpoint here")
        if int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            return self.answer(413, "too long")
        try:
            body = self.rfile.read(int(length)).decode()
            self.answer(200, self.desk.add_checkpoint(body))
        except UnicodeDecodeError:
            self.answer(400, "this is no add-checkpoint request")
        except Refused as refused:
            self.answer(refused.status, refused.text, refused.kind)

    def do_GET(self) -> None:
        if self.path == "/logs" and not self.desk.name:
            return self.answer(200, self.desk.told(), "application/json")
        if self.path == "/self" and not self.desk.name:
            key = str((self.desk.folder.path / "key.json").absolute())
            told = json.dumps({"uid": os.geteuid(), "key": key})
            return self.answer(200, told, "application/json")
        self.answer(404, "there is only add-checkpoint here")

    def answer(self, status: int, text: str, kind: str = "text/plain") -> None:
        raw = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind == "text/plain" else kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def address_string(self) -> str:
        return "socket" if self.desk.name == "" else super().address_string()

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Only what was refused is worth a line."""
        if int(code) >= 400:
            super().log_request(code, size)

    def log_message(self, text: str, *values: Any) -> None:
        print(time.strftime("%FT%TZ", time.gmtime()), text % values, file=sys.stderr, flush=True)


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def serve(desk: Desk, options: argparse.Namespace) -> None:
    desk.folder.hold()
    door = type("ThisDoor", (Door,), {"desk": desk})
    if options.command == "witness":
        host, _, port = options.listen.rpartition(":")
        ThreadingHTTPServer.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = ThreadingHTTPServer((host.strip("[]"), int(port)), door)
        become(options.user, options.folder)
        listener.serve_forever()
    with suppress(FileNotFoundError):
        os.unlink(options.socket)
    os.umask(0o177)
    server = UnixServer(str(options.socket), door)
    if options.group:
        shutil.chown(options.socket, group=options.group)
    os.chmod(options.socket, int(options.mode, 8))
    become(options.user, options.folder)
    server.serve_forever()


def become(user: str, folder: Path) -> None:
    """Give up root's rights for good; the folder and what lies in it become the user's."""
    if not user or os.geteuid() != 0:
        return
    who = pwd.getpwnam(user)
    for path in (folder, *folder.iterdir()):
        os.chown(path, who.pw_uid, who.pw_gid)
    os.setgroups([])
    os.setgid(who.pw_gid)
    os.setuid(who.pw_uid)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("init", "sign", "witness", "keys", "rotate", "forget"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        command.add_argument(
            "--name", default="", help="the witness's name, such as w1.example.org"
        )
        command.add_argument("--log", action="append", default=[], help="a log's name, or its key")
        command.add_argument("--ml-dsa", action="store_true", help="init: also an ML-DSA-44 key")
        command.add_argument("--socket", type=Path, help="sign: the Unix socket to make")
        command.add_argument("--mode", default="0600", help="sign: its mode, 0660 with --group")
        command.add_argument("--group", default="", help="sign: the group that may ask")
        command.add_argument("--user", default="", help="whose rights to take, if started as root")
        command.add_argument("--listen", default="127.0.0.1:8090", help="witness: where to listen")
    options = parser.parse_args()
    folder = Folder(options.folder)
    if options.command == "init":
        folder.make(options.log, options.ml_dsa)
    elif options.command == "forget":
        folder.hold()
        for log in options.log:
            forget(folder, log)
    elif options.command == "rotate":
        folder.hold()
        rotate(folder)
    if options.command in ("sign", "witness"):
        return serve(Desk(folder, options.name), options)
    desk = Desk(folder, options.name)
    origins = [json.loads(file.read_text())["origin"] for file in folder.path.glob("log-*.json")]
    for origin in [""] if options.name else origins:
        print(*desk.keys(origin), sep="\n")


if __name__ == "__main__":
    main()

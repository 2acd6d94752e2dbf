"""Pictures for tests, made on the spot: honest ones, ones with secrets in them, and traps."""

import io
import struct
import zlib

from PIL import Image

SECRET = b"CANARY-Hauptstrasse-7"


def picture(kind="JPEG", size=(64, 48), mode="RGB", color=(200, 30, 30), **options):
    file = io.BytesIO()
    Image.new(mode, size, color).save(file, kind, **options)
    return file.getvalue()


def jpeg_with_place(size=(64, 48), orientation=1):
    """A photograph as a phone makes it: place, comment and orientation in its metadata."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return picture(size=size, exif=exif, comment=SECRET)


def png_claiming(width, height):
    """A PNG of a few bytes that says it is enormous."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
)
HTML = b"<!doctype html><script>alert(1)</script>"
PAYLOADS = {
    "html": HTML,
    "svg": SVG,
    "php": b"<?php system($_GET['c']); ?>",
    "zip": b"PK\x03\x04\x14\x00\x00\x00evil.jar" + SECRET,
    "pdf": b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>",
    "shell": b"#!/bin/sh\nrm -rf /\n",
    "secret": SECRET,
}


def polyglots():
    """(name, bytes): real pictures that are something else as well, in many places of the file."""
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        honest = picture(kind)
        for name, payload in PAYLOADS.items():
            yield f"{kind}+{name} behind", honest + payload
            yield f"{kind}+{name} far behind", honest + b"\0" * 1024 + payload * 3
            yield f"{name} before {kind}", payload + honest
            for place in (16, len(honest) // 2):
                yield f"{kind}+{name} at {place}", honest[:place] + payload + honest[place:]
    for name, payload in PAYLOADS.items():
        yield f"JPEG comment {name}", picture(comment=payload)
        yield f"JPEG exif {name}", picture(exif=b"Exif\0\0" + payload)
        yield f"GIF comment {name}", picture("GIF", comment=payload)
        yield f"PNG with only the magic {name}", b"\x89PNG\r\n\x1a\n" + payload
        yield f"JPEG with only the magic {name}", b"\xff\xd8\xff" + payload
        yield f"GIF with only the magic {name}", b"GIF89a" + payload
        yield f"WEBP with only the magic {name}", b"RIFF\x10\0\0\0WEBP" + payload

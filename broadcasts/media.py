"""Pictures that editors upload: looked at and painted anew.

Nothing of an uploaded file is kept but its pixels. The type is told by the first bytes, never by
the name or by what the browser says; the picture is decoded and encoded again, so that neither
metadata (places, names, thumbnails) nor a second file hidden behind the first survives.
"""

import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageOps

MAX_UPLOAD_BYTES = 10 * 1024 * 1024
MAX_STORED_BYTES = 5 * 1024 * 1024  # WhatsApp takes 5 MB, the others more
MAX_SIDE = 2560  # pixels; no phone shows more
MIN_SIDE = 16
MAX_PIXELS = 25_000_000  # of what has to be decoded whole
MAX_JPEG_PIXELS = 80_000_000  # a JPEG is decoded at a fraction of its size
JPEG_QUALITY = 85
SHRINK = 0.75


class PictureRefused(ValueError):
    """Not taken; `code` is too_big, not_a_picture, too_many_pixels or too_small."""

    def __init__(self, code: str) -> None:
        super().__init__(f"The picture was refused: {code}.")
        self.code = code


@dataclass(frozen=True)
class Picture:
    """A picture as we store it."""

    data: bytes
    media_type: str
    width: int
    height: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


# What the first bytes say -> Pillow's name of the one format that may read the rest.
MAGIC: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda head: head.startswith(b"\xff\xd8\xff"), "JPEG"),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), "PNG"),
    (lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP", "WEBP"),
    (lambda head: head.startswith((b"GIF87a", b"GIF89a")), "GIF"),
)


def read_picture(upload: bytes) -> Picture:
    """The picture in an uploaded file, painted anew. Of a moving one, the first frame.

    Graphics (PNG, GIF, anything transparent) become PNG, photographs JPEG: every messenger takes
    both. Raises `PictureRefused`.
    """
    if len(upload) > MAX_UPLOAD_BYTES:
        raise PictureRefused("too_big")
    name = next((name for fits, name in MAGIC if fits(upload[:16])), None)
    if name is None:
        raise PictureRefused("not_a_picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a half-broken file is a broken file
            image = _pixels(upload, name)
    except PictureRefused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureRefused("too_many_pixels") from None
    except Exception:  # Pillow's decoders raise whatever they meet in hostile bytes
        raise PictureRefused("not_a_picture") from None
    return _encoded(image, is_graphic=name in ("PNG", "GIF"))


def _pixels(upload: bytes, name: str) -> Image.Image:
    """Nothing but the pixels, upright, at most `MAX_SIDE` on a side, RGB or RGBA."""
    with Image.open(io.BytesIO(upload), formats=[name]) as image:
        width, height = image.size
        if width * height > (MAX_JPEG_PIXELS if name == "JPEG" else MAX_PIXELS):
            raise PictureRefused("too_many_pixels")
        if min(width, height) < MIN_SIDE:
            raise PictureRefused("too_small")
        image.draft("RGB", (MAX_SIDE, MAX_SIDE))
        if image.size[0] * image.size[1] > MAX_PIXELS:
            raise PictureRefused("too_many_pixels")
        image.load()
        upright = ImageOps.exif_transpose(image)
        assert upright is not None
        upright.thumbnail((MAX_SIDE, MAX_SIDE))
        painted = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    clean = Image.new(painted.mode, painted.size)
    clean.paste(painted)
    return clean


def _encoded(image: Image.Image, *, is_graphic: bool) -> Picture:
    """`image` as PNG or JPEG, made smaller until it fits `MAX_STORED_BYTES`."""
    as_png = is_graphic or image.mode == "RGBA"
    while True:
        target = io.BytesIO()
        if as_png:
            image.save(target, "PNG", optimize=False)
        else:
            image.save(target, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
        if target.tell() <= MAX_STORED_BYTES:
            media_type = "image/png" if as_png else "image/jpeg"
            return Picture(target.getvalue(), media_type, *image.size)
        if as_png and image.mode == "RGB":
            as_png = False  # a photograph in a PNG
        else:
            image = image.resize((int(image.width * SHRINK), int(image.height * SHRINK)))

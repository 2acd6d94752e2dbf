"""Draws the picture of the demo article, so that no photograph's rights are touched."""

import io
from math import cos, pi, sin

from PIL import Image, ImageDraw

SIZE = (1200, 675)
SKY, STAND, GRASS, STRIPE, LINE, LIGHT = (
    (24, 38, 66),
    (58, 72, 104),
    (46, 125, 72),
    (54, 140, 82),
    (240, 244, 240),
    (255, 236, 170),
)


def stadium() -> bytes:
    """A football ground under floodlights, as JPEG; the same bytes for the same Pillow."""
    image = Image.new("RGB", SIZE, SKY)
    draw = ImageDraw.Draw(image)
    _stands(draw)
    _pitch(draw)
    for x in (140, 1060):
        _floodlight(draw, x)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()


def _stands(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon([(0, 250), (1200, 250), (1200, 400), (0, 400)], fill=STAND)
    for n in range(900):
        x, y = (n * 37) % 1200, 258 + (n * 53) % 130
        shade = 110 + (n * 29) % 130
        draw.ellipse([x, y, x + 7, y + 7], fill=(shade, 90 + n % 70, 100 + (n * 7) % 90))


def _pitch(draw: ImageDraw.ImageDraw) -> None:
    for n in range(12):
        draw.rectangle([n * 100, 390, n * 100 + 99, 675], fill=GRASS if n % 2 else STRIPE)
    draw.line([(600, 390), (600, 675)], fill=LINE, width=5)
    draw.ellipse([460, 470, 740, 610], outline=LINE, width=5)
    draw.rectangle([-5, 450, 150, 640], outline=LINE, width=5)
    draw.rectangle([1050, 450, 1205, 640], outline=LINE, width=5)
    draw.ellipse([655, 500, 687, 532], fill=(252, 252, 252), outline=(20, 20, 20), width=3)


def _floodlight(draw: ImageDraw.ImageDraw, x: int) -> None:
    draw.line([(x, 80), (x, 390)], fill=(150, 160, 180), width=10)
    for n in range(10):
        angle = 2 * pi * n / 10
        draw.line(
            [(x, 80), (x + 110 * cos(angle), 80 + 70 * sin(angle))], fill=(70, 84, 110), width=2
        )
    for row in range(2):
        for column in range(4):
            left, top = x - 58 + column * 30, 50 + row * 30
            draw.ellipse([left, top, left + 24, top + 24], fill=LIGHT)

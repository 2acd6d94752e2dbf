"""Uploaded pictures: only pixels survive, and only of real pictures."""

import io
import stat
import time

import pytest
from PIL import Image

from broadcasts.media import MAX_SIDE, MAX_STORED_BYTES, PictureRefused, read_picture
from messengers import media as files
from tests.broadcasts.pictures import (
    HTML,
    PAYLOADS,
    SECRET,
    SVG,
    jpeg_with_place,
    picture,
    png_claiming,
    polyglots,
)


@pytest.fixture(autouse=True)
def media_folder(settings, tmp_path):
    settings.JAWORT_MEDIA_DIR = tmp_path / "media"
    return settings.JAWORT_MEDIA_DIR


def opened(result):
    return Image.open(io.BytesIO(result.data))


@pytest.mark.parametrize(
    ("kind", "mode", "media_type"),
    [
        ("JPEG", "RGB", "image/jpeg"),
        ("JPEG", "CMYK", "image/jpeg"),
        ("JPEG", "L", "image/jpeg"),
        ("PNG", "RGB", "image/png"),
        ("PNG", "RGBA", "image/png"),
        ("PNG", "P", "image/png"),
        ("WEBP", "RGB", "image/jpeg"),
        ("WEBP", "RGBA", "image/png"),
        ("GIF", "P", "image/png"),
    ],
)
def test_each_kind_becomes_one_that_every_messenger_takes(kind, mode, media_type):
    color = {"RGB": (9, 9, 200), "RGBA": (9, 9, 200, 90), "CMYK": (1, 2, 3, 4)}.get(mode, 3)

    result = read_picture(picture(kind, mode=mode, color=color))

    assert result.media_type == media_type
    assert (result.width, result.height) == (64, 48)
    assert f"image/{opened(result).format.lower()}" == media_type


def test_nothing_but_pixels_is_kept():
    upload = jpeg_with_place()
    assert SECRET in upload
    assert Image.open(io.BytesIO(upload)).getexif()

    result = read_picture(upload)

    assert SECRET not in result.data
    assert not opened(result).getexif()
    assert "comment" not in opened(result).info


def test_a_picture_taken_sideways_stands_upright():
    result = read_picture(jpeg_with_place(size=(64, 32), orientation=6))

    assert (result.width, result.height) == (32, 64)


def test_of_a_moving_picture_the_first_frame_is_kept():
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=50)

    result = opened(read_picture(file.getvalue()))

    assert getattr(result, "n_frames", 1) == 1
    assert result.convert("RGB").getpixel((5, 5))[0] > 200


def test_a_large_photograph_is_made_smaller():
    result = read_picture(picture(size=(6000, 4000)))

    assert (result.width, result.height) == (MAX_SIDE, 1707)


def test_noise_in_a_png_is_made_to_fit():
    import random

    noise = Image.frombytes("RGB", (1800, 1800), random.Random(7).randbytes(1800 * 1800 * 3))
    file = io.BytesIO()
    noise.save(file, "PNG", compress_level=1)

    result = read_picture(file.getvalue()[: 10 * 1024 * 1024])

    assert len(result.data) <= MAX_STORED_BYTES


@pytest.mark.parametrize(
    ("upload", "code"),
    [
        (b"", "not_a_picture"),
        (SVG, "not_a_picture"),
        (HTML, "not_a_picture"),
        (picture("BMP"), "not_a_picture"),
        (picture("TIFF"), "not_a_picture"),
        (picture("JPEG")[:300], "not_a_picture"),
        (picture("PNG")[:80], "not_a_picture"),
        (picture("PNG", size=(8, 8)), "too_small"),
        (png_claiming(50_000, 50_000), "too_many_pixels"),
        (png_claiming(2**31 - 1, 2**31 - 1), "too_many_pixels"),
        (b"\xff\xd8\xff" + b"0" * (10 * 1024 * 1024), "too_big"),
    ],
)
def test_what_is_no_fitting_picture_is_refused(upload, code):
    with pytest.raises(PictureRefused) as refused:
        read_picture(upload)

    assert refused.value.code == code


def test_a_bomb_is_refused_before_it_is_unpacked():
    began = time.perf_counter()

    with pytest.raises(PictureRefused):
        read_picture(png_claiming(49_000, 49_000))

    assert time.perf_counter() - began < 0.5


def test_of_polyglots_only_the_picture_is_stored_or_nothing():
    """Each payload is in the upload; none is in what we would store."""
    seen = stored = 0
    for name, upload in polyglots():
        seen += 1
        assert any(payload in upload for payload in PAYLOADS.values()), name
        try:
            result = read_picture(upload)
        except PictureRefused:
            continue
        stored += 1
        for payload in PAYLOADS.values():
            assert payload not in result.data, name
        assert opened(result).format in ("JPEG", "PNG")
    assert seen >= 180
    assert 0 < stored < seen


def test_files_have_names_of_our_own_and_are_read_by_us_alone(media_folder):
    result = read_picture(picture())

    key = files.store(result.data, result.media_type)

    path = files.path_of(key)
    assert path.parent == media_folder
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(media_folder.stat().st_mode) == 0o700
    assert files.read(key) == result.data
    assert files.stored_keys() == {key}
    files.remove(key)
    files.remove(key)
    assert files.stored_keys() == set()


@pytest.mark.parametrize(
    "key",
    ["", "..", "../secrets/root.key", "/etc/passwd", "a" * 32, "A" * 32 + ".jpg", "a" * 32 + ".svg",
     "a" * 32 + ".jpg\n", "a" * 32 + ".jpg/..", "a" * 31 + "%2e.jpg", "\0" * 32 + ".jpg"],
)  # fmt: skip
def test_only_a_key_of_ours_leads_to_a_file(key):
    with pytest.raises(ValueError, match="no key"):
        files.path_of(key)

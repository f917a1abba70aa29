"""The sizes of a photo: what comes out of every kind of file, and what is refused before it costs."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageCms

from domain.errors import DomainError
from domain.photos import MAX_PIXELS, WIDTHS, image_type
from realtime.jobs.thumbnails import MAX_SCANS, make_thumbnails
from tests.photos import a_photo, encoded, from_a_camera


def opened(body: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(body))
    assert picture.format == "WEBP"
    picture.load()
    return picture


def near(found: Any, wanted: tuple[int, int, int], by: int = 12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(found, wanted, strict=True))


def test_each_width_in_webp() -> None:
    made = make_thumbnails(a_photo(4000, 3000, "#3a7f58"))
    assert set(made.files) == set(WIDTHS) and (made.width, made.height) == (1920, 1440)
    for width, body in made.files.items():
        assert opened(body).size == (width, width * 3 // 4)
        assert image_type(body) == "image/webp"
    assert near(bytes.fromhex(made.color[1:]), (0x3A, 0x7F, 0x58))


def test_a_small_photo_is_not_enlarged_and_a_long_one_stays_within_bounds() -> None:
    made = make_thumbnails(a_photo(64, 48))
    assert {opened(body).size for body in made.files.values()} == {(64, 48)}
    long = make_thumbnails(a_photo(400, 8000))
    assert {width: opened(body).size for width, body in long.files.items()} == {
        320: (32, 640), 960: (96, 1920), 1920: (192, 3840),
    }  # fmt: skip
    assert (long.width, long.height) == (192, 3840)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(orientation: int) -> None:
    """Where the sensor's red side must be in the end; 6 is a phone held upright."""
    made = make_thumbnails(from_a_camera(orientation=orientation))
    picture = opened(made.files[320])
    upright = orientation < 5
    assert (made.width > made.height) == upright
    w, h = picture.size
    left, right, top, bottom = (w // 8, h // 2), (w * 7 // 8, h // 2), (w // 2, h // 8), (w // 2, h * 7 // 8)
    red = {1: left, 2: right, 3: right, 4: left, 5: top, 6: top, 7: bottom, 8: bottom}[orientation]
    blue = {1: right, 2: left, 3: left, 4: right, 5: bottom, 6: bottom, 7: top, 8: top}[orientation]
    assert near(picture.convert("RGB").getpixel(red), (255, 0, 0), 30)
    assert near(picture.convert("RGB").getpixel(blue), (0, 0, 255), 30)


def test_nothing_but_pixels_comes_along() -> None:
    original = from_a_camera()
    assert b"SecretCamera" in original and b"SecretPlace" in original
    for body in make_thumbnails(original).files.values():
        assert b"Secret" not in body and b"EXIF" not in body and b"XMP " not in body and b"ICCP" not in body
        picture = opened(body)
        assert not picture.getexif() and "icc_profile" not in picture.info


def test_the_same_upload_gives_the_same_bytes() -> None:
    assert make_thumbnails(from_a_camera()) == make_thumbnails(from_a_camera())


def test_other_colour_spaces_become_srgb() -> None:
    """The numbers of a profile are translated: its green is not sRGB's green."""
    lab = ImageCms.createProfile("LAB")
    assert lab is not None
    linear = Image.new("L", (8, 8), 128)
    grey = make_thumbnails(encoded(linear, "PNG"))
    assert near(bytes.fromhex(grey.color[1:]), (128, 128, 128))
    cmyk = make_thumbnails(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0))))
    red = bytes.fromhex(cmyk.color[1:])
    assert red[0] > 200 and red[1] < 60 and red[2] < 60


@pytest.mark.parametrize(
    ("picture", "format", "color"),
    [
        (Image.new("RGBA", (9, 9), (255, 0, 0, 0)), "PNG", (255, 255, 255)),
        (Image.new("RGBA", (9, 9), (255, 0, 0, 255)), "WEBP", (255, 0, 0)),
        (Image.new("LA", (9, 9), (0, 0)), "PNG", (255, 255, 255)),
        (Image.new("RGB", (9, 9), "blue").quantize(), "PNG", (0, 0, 255)),
        (Image.new("1", (9, 9), 1), "PNG", (255, 255, 255)),
        (Image.new("I;16", (9, 9), 32768), "PNG", (128, 128, 128)),
        (Image.new("RGB", (16, 16), "blue"), "AVIF", (0, 0, 255)),
    ],
    ids=["transparent", "opaque", "grey-alpha", "palette", "one-bit", "16-bit", "avif"],
)
def test_every_kind_of_pixel(picture: Image.Image, format: str, color: tuple[int, int, int]) -> None:
    body = encoded(picture, format, **({"lossless": True} if format == "WEBP" else {}))
    assert image_type(body) == f"image/{format.lower()}"
    assert near(bytes.fromhex(make_thumbnails(body).color[1:]), color)


def png_that_says(width: int, height: int) -> bytes:
    """A PNG of some bytes that claims to be so large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(10_000, 5_001), (50_000, 1), (65_000, 65_000)])
def test_bombs_are_refused_by_what_they_say_of_themselves(size: tuple[int, int]) -> None:
    assert size[0] * size[1] > MAX_PIXELS or max(size) > 30_000
    with pytest.raises(DomainError) as raised:
        make_thumbnails(png_that_says(*size))
    assert (raised.value.code, raised.value.message) == (
        "too_many_pixels",
        "a photo has at most 50 megapixels",
    )


@pytest.mark.parametrize(
    "body",
    [
        from_a_camera()[:-400],
        a_photo(format="PNG")[:60],
        b"\xff\xd8\xff" + b"x" * 500,
        b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 30,
        b"\0\0\0\x1cftypavif" + b"\0" * 40,
        png_that_says(200, 200),
        b"",
        encoded(Image.new("RGB", (4, 4)), "GIF"),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
    ids=["cut", "cut-png", "jpeg", "webp", "avif", "short", "empty", "gif", "svg"],
)
def test_what_is_no_photo_says_so(body: bytes) -> None:
    with pytest.raises(DomainError) as raised:
        make_thumbnails(body)
    assert (raised.value.code, raised.value.retryable) == ("broken_image", False)


def with_scans(times: int) -> bytes:
    """A progressive JPEG that says the last of its scans so many times more, and a film behind it."""
    whole = encoded(Image.new("L", (64, 64), 128), progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * times + b"\xff\xd9" + b"\xff\xda" * 200


def test_a_photo_of_endless_scans_is_refused_before_it_is_decoded() -> None:
    """Seventy bytes are one more pass over fifty megapixels: twelve MiB of them took half an hour."""
    plain = with_scans(0).count(b"\xff\xda") - 200
    assert make_thumbnails(with_scans(MAX_SCANS - plain)).width == 64
    with pytest.raises(DomainError) as raised:
        make_thumbnails(with_scans(MAX_SCANS - plain + 1))
    assert (raised.value.code, raised.value.message) == (
        "broken_image",
        "this file would take too long to read",
    )


def test_a_photo_of_endless_segments_is_refused_before_it_is_read() -> None:
    """Three million empty comments fit into an upload, and Pillow reads each."""
    plain = a_photo()
    comment = b"\xff\xfe\0\2"
    assert make_thumbnails(plain[:2] + comment * 1_900 + plain[2:]).width == 64
    with pytest.raises(DomainError) as raised:
        make_thumbnails(plain[:2] + comment * 2_000 + plain[2:])
    assert raised.value.message == "this file would take too long to read"


@pytest.mark.parametrize("format", ["WEBP", "AVIF"])
def test_what_decodes_with_more_memory_has_fewer_pixels(format: str) -> None:
    more: dict[str, Any] = {"lossless": True, "method": 0} if format == "WEBP" else {"speed": 10}
    with pytest.raises(DomainError) as raised:
        make_thumbnails(encoded(Image.new("L", (5001, 5000)).convert("RGB"), format, **more))
    assert (raised.value.code, raised.value.message) == (
        "too_many_pixels",
        "a photo has at most 25 megapixels",
    )


def test_first_bytes_are_told_apart() -> None:
    for body in (b"", b"GIF89a", b"<svg", b"%PDF-1.7", b"RIFF1234WAVE", b"\0\0\0\x18ftypmp42"):
        assert image_type(body) is None

"""Photos for tests: small ones of each kind, and what a camera writes beside the pixels."""

from __future__ import annotations

import io
import math
from typing import Any

from PIL import Image, ImageCms, ImageDraw

from domain.photos import Thumbnails


def encoded(picture: Image.Image, format: str = "JPEG", **more: Any) -> bytes:
    made = io.BytesIO()
    picture.save(made, format, **more)
    return made.getvalue()


def a_photo(width: int = 64, height: int = 48, color: str = "#3a7f58", format: str = "JPEG") -> bytes:
    """One colour all over."""
    return encoded(Image.new("RGB", (width, height), color), format)


def from_a_camera(width: int = 400, height: int = 300, orientation: int = 6) -> bytes:
    """Red at the left, blue at the right, as the sensor saw it; with place, time and a profile."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825).update({1: "N", 2: (25.0, 41.0, 24.0), 3: "E", 4: (100.0, 9.0, 36.0)})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encoded(picture, exif=exif, icc_profile=profile, xmp=b"<x:xmpmeta>SecretPlace</x:xmpmeta>")


def some_thumbnails(size: int = 10) -> Thumbnails:
    """What a job makes, without Pillow."""
    return Thumbnails(64, 48, "#3a7f58", {320: b"s" * size, 960: b"m" * size, 1920: bytes(range(256)) * size})


def a_landscape(width: int = 3_200, height: int = 2_400, hue: int = 200) -> bytes:
    """Something to look at: sky, hills and water, each with a gradient of its own."""
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    for y in range(height * 6 // 10):
        draw.line((0, y, width, y), f"hsl({hue}, 60%, {45 + y * 45 // (height * 6 // 10)}%)")
    for n, far in enumerate((0.42, 0.5, 0.57)):
        ridge = [
            (x, height * far - height * 0.06 * (1 + math.sin(x / width * (7 + 3 * n) + n * 2)))
            for x in range(0, width + 1, 40)
        ]
        color = f"hsl({(hue - 60 - 15 * n) % 360}, 35%, {42 - 11 * n}%)"
        draw.polygon([(0, height), *ridge, (width, height)], color)
    for y in range(height * 7 // 10, height):
        draw.line((0, y, width, y), f"hsl({hue + 10}, 45%, {55 - (y - height * 7 // 10) * 30 // height}%)")
    return encoded(picture, quality=90)


def much_detail(width: int, height: int) -> bytes:
    """Megabytes that do not shrink by themselves."""
    return encoded(Image.effect_noise((width, height), 60).convert("RGB"), quality=80)

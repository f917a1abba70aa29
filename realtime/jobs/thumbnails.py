"""The sizes of a photo: turned upright, in sRGB, without metadata, as WebP.

Owns the one door to Pillow, and what is refused before anything large is decoded. The camera's place and
time (EXIF, XMP) and colour profiles do not come along: only pixels are written. The same upload always gives
the same bytes. Pure computation that takes up to some seconds: called in a thread by `realtime.jobs.worker`.
"""

from __future__ import annotations

import io
import re
import warnings

from PIL import Image, ImageCms, ImageFile

from domain.errors import Invalid, LimitReached
from domain.photos import MAX_PIXELS, MAX_PIXELS_OF, MAX_SIDE, WIDTHS, Thumbnails

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
QUALITY = 80
MAX_SCANS = 100
"""Passes over a progressive JPEG; cameras and programs make 6 to 12. Each costs as much as the whole picture
has pixels, and a further one takes 75 bytes."""
MAX_SEGMENTS = 2_000
"""Pieces of a JPEG, of up to 64 KiB each, scans among them. Pillow looks at each in Python, which holds up
whoever shares the process; an empty one takes four bytes."""
TALL = 2
"""A size is at most so many times as high as it is wide: what is longer becomes narrower."""
PAPER = (255, 255, 255)
"""Behind what is transparent."""
ORIENTATION = 0x0112
"""EXIF's tag: how the camera was held (2 to 8; 1 is upright)."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])")
"""Of a JPEG, but for those that stand alone within a scan or before everything (T.81 section B.1.1)."""
END_OF_IMAGE, START_OF_SCAN = 0xD9, 0xDA
_SRGB = ImageCms.createProfile("sRGB")


def make_thumbnails(original: bytes) -> Thumbnails:
    """Every width of `WIDTHS`, the largest first made. Raises `Invalid` (`broken_image`) and `LimitReached`
    (`too_many_pixels`)."""
    if original.startswith(b"\xff\xd8") and _is_endless(original):
        raise Invalid("this file would take too long to read", code="broken_image")
    # Half a photo is none: the uploader should know.
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = _upright(original)
            files: dict[int, bytes] = {}
            sizes: dict[int, tuple[int, int]] = {}
            for width in sorted(WIDTHS, reverse=True):
                # Each from the one before, which is still large enough: it costs little after the first.
                picture.thumbnail((width, width * TALL), Image.Resampling.LANCZOS)
                files[width], sizes[width] = _webp(picture), picture.size
            color = picture.resize((1, 1), Image.Resampling.BOX).tobytes()
    except (LimitReached, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        # So many that Pillow does not even say how many.
        raise _too_many() from error
    except Exception as error:
        # Whatever a decoder makes of broken bytes: OSError, SyntaxError, ValueError, struct.error ...
        raise Invalid("this file is not a photo that can be read", code="broken_image") from error
    largest = sizes[max(WIDTHS)]
    return Thumbnails(largest[0], largest[1], f"#{color.hex()}", files)


def _upright(original: bytes) -> Image.Image:
    """The picture as it is meant to be seen, RGB, in sRGB; already smaller where that is free."""
    picture: Image.Image = Image.open(io.BytesIO(original), formats=FORMATS)
    width, height = picture.size
    most = MAX_PIXELS_OF.get(picture.format or "", MAX_PIXELS)
    if width * height > most or max(width, height) > MAX_SIDE:
        raise _too_many(most)
    profile = picture.info.get("icc_profile")
    if picture.format == "JPEG":
        # The decoder itself halves, as long as that leaves twice what is needed.
        picture.draft(None, (max(WIDTHS) * 2, max(WIDTHS) * 2))
    picture.load()
    turn = TURNS.get(picture.getexif().get(ORIENTATION, 1))
    # One step after the other under one name, so that at most two copies are in memory.
    if picture.mode.startswith("I"):
        # 16 bits of grey, which `convert` would cut off instead of scaling.
        picture = picture.point(lambda value: value / 256).convert("L")
    if picture.mode in ("P", "PA", "LA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode == "RGBA":
        paper = Image.new("RGB", picture.size, PAPER)
        paper.paste(picture, mask=picture)
        picture = paper
    picture = _srgb(picture, profile)
    return picture if turn is None else picture.transpose(turn)


def _is_endless(jpeg: bytes) -> bool:
    """A decoder will find more scans, or more segments, than are taken."""
    at = scans = 0
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(jpeg, at)
        if found is None or found[1][0] == END_OF_IMAGE:  # some cameras put a film behind it
            return False
        at = found.end()
        at += int.from_bytes(jpeg[at : at + 2])
        scans += found[1][0] == START_OF_SCAN
        if scans > MAX_SCANS:
            return True
    return True


def _too_many(most: int = MAX_PIXELS) -> LimitReached:
    return LimitReached(f"a photo has at most {most // 10**6} megapixels", code="too_many_pixels")


def _srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and picture.mode in ("RGB", "L", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            made = ImageCms.profileToProfile(picture, source, _SRGB, outputMode="RGB")
            if made is not None:
                return made
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile that does not fit its picture: the colours are taken as they are
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _webp(picture: Image.Image) -> bytes:
    made = io.BytesIO()
    # `exif`, `xmp` and `icc_profile` would be taken from `info` where they are not given.
    picture.save(made, "WEBP", quality=QUALITY, method=4, exif=b"", xmp=b"", icc_profile=b"")
    return made.getvalue()

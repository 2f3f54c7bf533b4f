"""Formats of images that are trained on and that exported models decode.

TensorFlow's releases decode more than these, and not the same.
"""

# How such files begin, and how their names end. The beginning decides.
FORMATS = {
    "JPEG": (b"\xff\xd8", (".jpg", ".jpeg")),
    "PNG": (b"\x89PNG", (".png",)),
    "GIF": (b"GIF8", (".gif",)),
    "BMP": (b"BM", (".bmp",)),
    "WebP": (b"RIFF", (".webp",)),
}
ENDINGS = tuple(ending for _, endings in FORMATS.values() for ending in endings)
NOT_AN_IMAGE = f"it is none of {', '.join(FORMATS)}"

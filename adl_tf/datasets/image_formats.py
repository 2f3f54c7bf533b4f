"""Image formats that are decoded, and variants of them that are not."""

import struct

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
_REMEDY = (
    "convert it, such as by PIL's Image.open(path).convert('RGB').save('x.png')"
)
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def variant(encoded):
    """Names what is special about an image that is not decoded.

    Args:
        encoded: Bytes of a file.

    Returns:
        Text of one line with what to do; `None` for an image of a usual kind,
        which is damaged.
    """
    named = {b"BM": _bmp, b"\xff\xd8": _jpeg, b"GI": _gif, b"RI": _webp}
    try:
        name = named[encoded[:2]](encoded)
    except (KeyError, IndexError, struct.error):
        return None
    return name and f"{name} is not decoded: {_REMEDY}"


def _bmp(encoded):
    (header_size,) = struct.unpack_from("<I", encoded, 14)
    if header_size < 40:
        return "a BMP with a header of OS/2"
    bits, compression = struct.unpack_from("<HI", encoded, 28)
    if compression in (1, 2):
        return "a BMP with run-length encoding"
    if compression in (4, 5):
        return "a BMP that holds a JPEG or PNG"
    if compression in (3, 6) and bits == 32:
        masks = struct.unpack_from("<III", encoded, 54)
        if masks == (0xFF0000, 0xFF00, 0xFF) and compression == 3:
            return None
        return "a BMP with colour masks"
    if bits not in (8, 24, 32):
        return f"a BMP of {bits} bits a pixel"
    return None


def _jpeg(encoded):
    place, has_marker = 2, False
    while encoded[place + 1] not in _START_OF_FRAME:
        (length,) = struct.unpack_from(">H", encoded, place + 2)
        has_marker |= encoded[place + 4 : place + 9] == b"Adobe"
        place += 2 + length
    precision, channels = encoded[place + 4], encoded[place + 9]
    if precision != 8:
        return f"a JPEG of {precision} bits a channel"
    if encoded[place + 1] in (0xC3, 0xC7, 0xCB, 0xCF):
        return "a lossless JPEG"
    if channels == 4 and not has_marker:
        return "a CMYK JPEG without Adobe's marker, whose colours are not known"
    return None


def _gif(encoded):
    sides = struct.unpack_from("<HH", encoded, 6)
    flags = encoded[10]
    place = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while encoded[place] == 0x21:  # An extension: blocks up to an empty one.
        place += 2
        while encoded[place]:
            place += 1 + encoded[place]
        place += 1
    if encoded[place] != 0x2C:
        return None
    if struct.unpack_from("<4H", encoded, place + 1) != (0, 0, *sides):
        return "a GIF whose first frame is a part of the image"
    return None


def _webp(encoded):
    if encoded[12:16] == b"VP8X" and encoded[20] & 0x02:
        return "a WebP of several frames"
    return None

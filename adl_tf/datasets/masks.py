"""Masks: which pixels are the object's, by the values that are stored."""

import io
import os

import cv2
import numpy as np
from PIL import Image

from adl_tf.datasets.examples import Mask, read_bytes
from adl_tf.errors import DataError

# Other formats change values when they are written, or have palettes in any
# order.
LOSSLESS = ("PNG", "BMP")
_BITS = 24  # the byte of a PNG file that holds the bits of a value


def read_mask(source):
    """Reads a mask.

    A pixel counts if a stored value is within the mask's levels, by default
    if one is above 0: a grey level of any depth, the number of a palette's
    entry whatever its colour, or one of the values of a colour. Wholly
    transparent pixels do not count; where no other pixel would, those that
    are not transparent do.

    Args:
        source: `Mask`, or the path of a file.

    Returns:
        Boolean array `(height, width)`.

    Raises:
        DataError: If it is missing or cannot be read.
    """
    mask = Mask(source) if isinstance(source, str) else source
    if not os.path.exists(mask.path):
        raise DataError(f"mask {mask.path} is missing")
    try:
        encoded = read_bytes(mask.path, mask.byte_range)
    except OSError as error:
        raise DataError(
            f"mask {mask.path} cannot be read: {error.strerror}"
        ) from None
    try:
        return decode_mask(encoded, mask.levels)
    except DataError as error:
        raise DataError(f"mask {mask.path} cannot be read: {error}") from None


def decode_mask(encoded, levels):
    """Decodes a mask, as `read_mask` does.

    Args:
        encoded: Bytes of a file.
        levels: The lowest and the highest value that counts.

    Returns:
        Boolean array `(height, width)`.

    Raises:
        DataError: If it cannot be decoded.
    """
    values = _stored_values(encoded)
    visible = np.ones(values.shape[:2], bool)
    if values.ndim == 3:
        if values.shape[2] in (2, 4):
            visible = values[..., -1] > 0
            values = values[..., :-1]
        values = values.max(axis=2)
    counts = (values >= levels[0]) & (values <= levels[1]) & visible
    # Drawn in black on transparent ground.
    return counts if counts.any() or visible.all() else visible


def union(masks):
    """Union of masks: the pixels that count in any of them.

    Args:
        masks: List of boolean arrays. Should their sizes differ, the others
            are stretched to the largest.

    Returns:
        Boolean array `(height, width)`.
    """
    height, width = max((mask.shape for mask in masks), key=np.prod)
    stretched = [
        cv2.resize(
            mask.astype(np.uint8),
            (width, height),
            interpolation=cv2.INTER_NEAREST,
        )
        for mask in masks
    ]
    return np.any(stretched, axis=0)


def _stored_values(encoded):
    """Array `(height, width)` or `(height, width, channels)`, alpha last."""
    try:
        with Image.open(io.BytesIO(encoded), formats=LOSSLESS) as image:
            image.verify()  # checksums, which decoders pass over
        with Image.open(io.BytesIO(encoded), formats=LOSSLESS) as image:
            clear = image.info.get("transparency")
            if image.format == "PNG" and encoded[_BITS] == 16:
                values = _sixteen_bits(encoded)
            else:
                values = np.asarray(image)
    except Image.UnidentifiedImageError:
        raise DataError(
            f"it is none of {' and '.join(LOSSLESS)}, which keep the values "
            "of a mask exactly"
        ) from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        cv2.error,
    ) as error:
        raise DataError(" ".join(str(error).split())) from None
    if clear is None or values.shape[2:] == (4,):
        return values
    if isinstance(clear, bytes):  # an alpha for each entry of the palette
        alpha = np.full(256, 255, np.uint8)
        alpha[: len(clear)] = list(clear)
        alpha = alpha[values]
    else:
        values = np.atleast_3d(values)
        alpha = np.any(values != clear, axis=2)
    return np.dstack([values, alpha])


def _sixteen_bits(encoded):
    """Values of a PNG file, half of whose bits PIL would drop."""
    values = cv2.imdecode(
        np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED
    )
    if values is None:
        raise ValueError("the file is damaged")
    # Colours as PIL has them, not blue first.
    return values[..., ::-1] if values.shape[2:] == (3,) else values

"""Images side by side with a line of text above each column."""

import cv2
import numpy as np

SIDE = 224
GAP = 8
_LINE = 28


def grid(rows, titles, captions):
    """Puts images into rows and columns on white.

    Args:
        rows: List of lists of uint8 RGB arrays, square, of any size.
        titles: List of text, one a column.
        captions: List of text, one a row, written below it.

    Returns:
        uint8 RGB array.
    """
    columns = len(titles)
    step = SIDE + GAP
    image = np.full(
        (
            _LINE + len(rows) * (step + _LINE) + GAP,
            GAP + columns * step,
            3,
        ),
        255,
        np.uint8,
    )
    for column, title in enumerate(titles):
        _write(image, title, GAP + column * step, _LINE - 8)
    for number, (row, caption) in enumerate(zip(rows, captions)):
        top = _LINE + number * (step + _LINE)
        for column, each in enumerate(row):
            left = GAP + column * step
            image[top : top + SIDE, left : left + SIDE] = fitted(each, SIDE)
        _write(image, caption, GAP, top + SIDE + _LINE - 10)
    return image


def fitted(image, side):
    """An image as a square of another size, neither jagged nor aliased.

    Args:
        image: uint8 array.
        side: Pixels.

    Returns:
        uint8 array `(side, side, ...)`.
    """
    smaller = side < max(image.shape[:2])
    return cv2.resize(
        image,
        (side, side),
        interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC,
    )


def _write(image, text, left, bottom):
    cv2.putText(
        image,
        text,
        (left, bottom),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.5,
        (40, 40, 40),
        1,
        cv2.LINE_AA,
    )

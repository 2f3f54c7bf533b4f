"""Heatmaps and boxes over images, as in the paper's Figure 3."""

import cv2
import numpy as np

# RGB. The paper draws the ground truth red and the prediction green.
GROUND_TRUTH = (255, 64, 64)
ESTIMATE = (64, 224, 64)
# Given as a table, a colour map takes OpenCV a quarter of the time.
JET = cv2.cvtColor(
    cv2.applyColorMap(
        np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_JET
    ),
    cv2.COLOR_BGR2RGB,
)


def overlay_heatmap(image, heatmap, opacity=0.5):
    """Lays a heatmap in colours over the grey image.

    Args:
        image: uint8 RGB array `(height, width, 3)`.
        heatmap: Float array in [0, 1] of any size.
        opacity: Share of the heatmap's colours.

    Returns:
        uint8 RGB array `(height, width, 3)`.
    """
    height, width = image.shape[:2]
    levels = (np.clip(heatmap, 0, 1) * 255).astype(np.uint8)
    levels = cv2.resize(levels, (width, height))
    colours = cv2.applyColorMap(levels, JET)
    # Grey, so that every colour is the heatmap's.
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    grey = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(grey, 1 - opacity, colours, opacity, 0)


def draw_box(image, box, colour):
    """Draws a box into a copy of an image.

    Args:
        image: uint8 RGB array `(height, width, 3)`.
        box: x0, y0, x1, y1 in pixels.
        colour: RGB tuple.

    Returns:
        uint8 RGB array `(height, width, 3)`.
    """
    image = np.array(image)  # a copy, which OpenCV draws into
    height, width = image.shape[:2]
    thickness = max(2, round(max(height, width) / 120))
    # Half a line inside the edge, where the whole line can be seen.
    inset = thickness // 2
    x0, y0, x1, y1 = (int(round(float(value))) for value in box)
    begin = (max(x0, inset), max(y0, inset))
    end = (min(x1, width - 1 - inset), min(y1, height - 1 - inset))
    # A dark line around it keeps it visible on any background.
    cv2.rectangle(image, begin, end, (0, 0, 0), thickness + 2, cv2.LINE_AA)
    return cv2.rectangle(image, begin, end, colour, thickness, cv2.LINE_AA)


def shrink(image, side):
    """An image whose longer side is at most `side` pixels.

    Args:
        image: uint8 array `(height, width, 3)`.
        side: Pixels.

    Returns:
        Tuple of the image and the factor it was scaled by.
    """
    height, width = image.shape[:2]
    factor = min(1.0, side / max(height, width))
    if factor == 1.0:
        return image, 1.0
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), factor


def write_image(path, image):
    """Writes an image; the ending of the path says in which format.

    Args:
        path: File to write.
        image: uint8 RGB array `(height, width, 3)`, or grey `(height,
            width)`.

    Raises:
        OSError: If that fails.
    """
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if not cv2.haveImageWriter(path):
        raise OSError(f"cannot write {path}: it does not end in .png or .jpg")
    if not cv2.imwrite(path, image):
        raise OSError(f"cannot write {path}")

"""Shapes and colours that birds and scenery are drawn with."""

import cv2
import numpy as np

_SUBPIXEL_BITS = 4
_TURN = np.linspace(0, 2 * np.pi, 32, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], 1)
# Weights of four neighbouring points, for eight steps between the inner two.
_CATMULL_ROM = np.stack([np.arange(8) / 8] * 4, 1) ** np.arange(4) @ np.array(
    [
        [0, 1, 0, 0],
        [-0.5, 0, 0.5, 0],
        [1, -2.5, 2, -0.5],
        [-0.5, 1.5, -1.5, 0.5],
    ]
)


def jitter(rng, colour, amount):
    return np.asarray(colour) + rng.uniform(-amount, amount, 3)


def mix(first, second, share):
    return (1 - share) * np.asarray(first) + share * np.asarray(second)


def rotate(points, degrees):
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.asarray(points) @ np.array([[cosine, sine], [-sine, cosine]])


def ellipse(centre, axes, angle=0.0):
    return rotate(_CIRCLE * axes, angle) + centre


def curve(points):
    """Returns a smooth closed (Catmull-Rom) curve through the points."""
    points = np.asarray(points, float)
    neighbours = np.arange(len(points))[:, None] + np.arange(-1, 3)
    curve = _CATMULL_ROM @ points[neighbours % len(points)]
    return curve.reshape(-1, 2)


_LEAF = curve([(0, 0), (0.5, -0.24), (1, 0), (0.5, 0.24)])


def leaf(centre, length, angle):
    return rotate(_LEAF * length, angle) + centre


def draw(image, points, colour, width=0.0):
    """Draws an antialiased polygon, or a line where a width is given."""
    points = np.round(np.asarray(points) * 2**_SUBPIXEL_BITS).astype("i4")
    colour = [min(max(float(value), 0.0), 255.0) for value in colour]
    if width:
        cv2.polylines(
            image,
            [points],
            False,
            colour,
            max(1, round(width)),
            cv2.LINE_AA,
            _SUBPIXEL_BITS,
        )
    else:
        cv2.fillPoly(image, [points], colour, cv2.LINE_AA, _SUBPIXEL_BITS)

"""A bird as a list of coloured shapes, and the colours of the classes."""

import collections

import cv2
import numpy as np

from adl_tf.datasets.synthetic_birds.shapes import (
    curve,
    ellipse,
    jitter,
    mix,
    rotate,
)

# name: (crown colour, plumage colour), both RGB.  The hues of the two are
# unrelated, so that a detector of one does not respond to the other.
_CLASSES = {
    "scarlet_crowned": ((214, 30, 34), (172, 204, 72)),
    "amber_crowned": ((240, 128, 20), (84, 120, 190)),
    "golden_crowned": ((250, 214, 36), (160, 110, 190)),
    "emerald_crowned": ((28, 150, 62), (222, 138, 70)),
    "turquoise_crowned": ((36, 200, 196), (196, 92, 84)),
    "azure_crowned": ((34, 86, 214), (214, 196, 96)),
    "violet_crowned": ((128, 48, 178), (90, 176, 150)),
    "rose_crowned": ((244, 112, 170), (58, 64, 104)),
    "snowy_crowned": ((246, 246, 242), (70, 150, 190)),
    "ebony_crowned": ((22, 20, 26), (206, 122, 152)),
}
CLASS_NAMES = tuple(_CLASSES)
CROWNS, PLUMAGES = zip(*_CLASSES.values(), strict=True)
_NEUTRALS = ((128, 104, 82), (132, 128, 124), (158, 134, 104), (108, 100, 98))
# How far the plumage can be trusted, and how much of its colour shows.
PLUMAGE_RELIABILITY = 0.85
PLUMAGE_TINT = 0.7
ACCENT_TINT = 0.95

# A polygon (width 0) or a line of the bird, in units of its body length.
Part = collections.namedtuple("Part", "points colour width")
_Colours = collections.namedtuple(
    "_Colours", "crown body accent belly wing dark beak"
)


def bird_parts(rng, label, flying):
    """The parts of a bird that faces right, back to front.

    Args:
        rng: NumPy random generator.
        label: Class, an index into `CLASS_NAMES`.
        flying: Whether its wings are open.

    Returns:
        List of `Part`.
    """
    parts = []

    def add(points, colour, width=0.0):
        parts.append(Part(np.asarray(points, float), colour, width))

    colours = _colours(rng, label)
    radius = rng.uniform(0.205, 0.24)
    depth = rng.uniform(0.29, 0.36) * (0.85 if flying else 1)
    if flying:
        head = rng.uniform((0.46, -0.16), (0.54, -0.06))
        add(_open_wing(rng, 0.8, -8), colours.dark)
    else:
        head = rng.uniform((0.40, -0.38), (0.48, -0.26))
        _add_legs(add)
    _add_tail(rng, add, colours)
    _add_body(add, colours, depth, head, radius)
    _add_head(rng, add, colours, head, radius)
    add_wing = _add_open_wing if flying else _add_folded_wing
    add_wing(rng, add, colours)
    return parts


def _colours(rng, label):
    crown = jitter(rng, CROWNS[label], 16)
    if rng.random() >= PLUMAGE_RELIABILITY:
        label = rng.integers(len(CLASS_NAMES))
    tone = jitter(rng, PLUMAGES[label], 12)
    neutral = jitter(rng, _NEUTRALS[rng.integers(len(_NEUTRALS))], 12)
    neutral = neutral * rng.uniform(0.8, 1.2)
    body = mix(neutral, tone, PLUMAGE_TINT)
    accent = mix(neutral, tone, ACCENT_TINT) * 1.15
    belly = mix(body, (244, 236, 222), 0.45)
    wing, dark = body * 0.74, body * 0.5
    beak = jitter(
        rng, ((222, 160, 50), (70, 64, 62), (200, 120, 70))[rng.integers(3)], 14
    )
    return _Colours(crown, body, accent, belly, wing, dark, beak)


def _add_legs(add):
    for foot in (0.02, 0.12):
        add(
            [(foot, 0.25), (foot - 0.02, 0.48), (foot + 0.07, 0.49)],
            (120, 86, 60),
            0.035,
        )


def _add_tail(rng, add, colours):
    tip, half = -0.36 - rng.uniform(0.26, 0.44), rng.uniform(0.08, 0.15)
    tail = [
        (-0.25, -0.09),
        (tip, -half),
        (tip + rng.uniform(-0.05, 0.08), 0),
        (tip, half),
        (-0.25, 0.13),
    ]
    tail = rotate(tail, rng.uniform(-16, 16)) + (0, 0.02)
    add(tail, colours.wing)
    for share in (0.45, 0.7, 0.92):
        add(
            [mix(tail[0], tail[1], share), mix(tail[4], tail[3], share)],
            colours.accent,
            0.05,
        )


def _add_body(add, colours, depth, head, radius):
    add(
        curve(
            [
                (0.5, -0.1),
                (0.3, -0.30),
                (0, -depth),
                (-0.3, -0.2),
                (-0.48, 0.03),
                (-0.25, depth * 0.75),
                (0.1, depth),
                (0.40, 0.2),
            ]
        ),
        colours.body,
    )
    neck = np.concatenate(
        [ellipse(head, (radius, radius)), ellipse((0.2, -0.02), (0.27, 0.27))]
    )
    add(cv2.convexHull(neck.astype(np.float32))[:, 0], colours.body)
    add(
        curve(
            [
                (0.46, -0.02),
                (0.42, 0.17),
                (0.1, depth * 0.92),
                (-0.2, depth * 0.7),
                (0.05, 0.12),
                (0.3, 0.04),
            ]
        ),
        colours.belly,
    )


def _add_head(rng, add, colours, head, radius):
    point = head + (radius + rng.uniform(0.16, 0.26), 0.03)
    add(
        [head + (radius * 0.85, -0.05), point, head + (radius * 0.8, 0.1)],
        colours.beak,
    )
    add([head + (radius * 0.9, 0.035), point], colours.beak * 0.6, 0.02)
    add(ellipse(head, (radius * 1.02, radius * 0.98)), colours.crown)
    if rng.random() < 0.5:
        add(
            head
            + np.multiply(
                [(-0.2, -0.85), (-1.35, -1.25), (-0.9, -0.3)], radius
            ),
            colours.crown,
        )
    eye = head + (radius * 0.38, -radius * 0.12)
    add(ellipse(eye, (0.05, 0.05)), (240, 236, 224))
    add(ellipse(eye, (0.038, 0.038)), (16, 14, 14))
    add(ellipse(eye + (0.012, -0.014), (0.012, 0.012)), (255, 255, 255))


def _open_wing(rng, length, turn):
    shape = curve(
        [
            (0.2, -0.05),
            (0.12, -0.45),
            (-0.1, -0.85),
            (-0.3, -0.95),
            (-0.34, -0.6),
            (-0.3, -0.25),
            (-0.2, 0.0),
        ]
    )
    return rotate(
        shape * (1, length * rng.uniform(0.75, 0.95)),
        turn + rng.uniform(-10, 25),
    )


def _add_open_wing(rng, add, colours):
    near = _open_wing(rng, 1.0, 10)
    add(near, colours.wing)
    for index in range(len(near) // 2, len(near) - 4, 4):
        add([(-0.02, -0.08), near[index] * 0.95], colours.dark, 0.02)
    add(near[4 : len(near) // 2] * 0.9 + (0, 0.02), colours.accent, 0.06)


def _add_folded_wing(rng, add, colours):
    angle, tip = rng.uniform(-8, 14), rng.uniform(-0.66, -0.52)
    add(
        rotate(
            curve(
                [
                    (0.26, -0.08),
                    (0.1, -0.22),
                    (-0.25, -0.15),
                    (tip, 0.06),
                    (-0.3, 0.14),
                    (0.1, 0.15),
                ]
            ),
            angle,
        ),
        colours.wing,
    )
    for low in (0.0, 0.05, 0.1):
        add(
            rotate(
                [
                    (-0.05, low - 0.07),
                    (-0.3, low - 0.02),
                    (tip + 0.1 + low, 0.05 + low * 0.4),
                ],
                angle,
            ),
            colours.dark,
            0.02,
        )
    for bar in (0.12, -0.04):
        add(
            rotate(
                [(bar, -0.16), (bar - 0.05, 0.0), (bar - 0.02, 0.12)], angle
            ),
            colours.accent,
            0.06,
        )

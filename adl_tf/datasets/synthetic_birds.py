"""Synthetic birds."""

import json
import os
import pathlib
import shutil
import tempfile

import cv2
import numpy as np

VERSION = 1
IMAGE_SIZE = 256
CLASS_NAMES = (
    "scarlet_crowned",
    "amber_crowned",
    "golden_crowned",
    "emerald_crowned",
    "turquoise_crowned",
    "azure_crowned",
    "violet_crowned",
    "rose_crowned",
    "snowy_crowned",
    "ebony_crowned",
)

_CROWN_COLOURS = (
    (214, 30, 34),
    (240, 128, 20),
    (250, 214, 36),
    (28, 150, 62),
    (36, 200, 196),
    (34, 86, 214),
    (128, 48, 178),
    (244, 112, 170),
    (246, 246, 242),
    (22, 20, 26),
)
_PLUMAGE_COLOURS = (
    (120, 170, 84),
    (84, 120, 190),
    (160, 110, 190),
    (200, 150, 96),
    (196, 92, 84),
    (214, 196, 96),
    (90, 176, 150),
    (112, 120, 132),
    (70, 150, 190),
    (206, 122, 152),
)
_NEUTRAL_COLOURS = ((128, 104, 82), (132, 128, 124), (158, 134, 104),
                    (108, 100, 98))
PLUMAGE_RELIABILITY = 0.6
PLUMAGE_TINT = 0.45
PLUMAGE_ACCENT = 0.8

_SPLITS = ("train", "test")
_SUPERSAMPLING = 2
_SUBPIXEL_BITS = 4


def _jitter(rng, colour, amount):
    return np.clip(np.asarray(colour, np.float32)
                   + rng.uniform(-amount, amount, 3), 0, 255)


def _mix(first, second, share):
    return ((1 - share) * np.asarray(first, np.float32)
            + share * np.asarray(second, np.float32))


def _shade(colour, factor):
    return np.clip(np.asarray(colour, np.float32) * factor, 0, 255)


def _tuple(colour):
    return tuple(int(value) for value in np.clip(colour, 0, 255))


def _ellipse(centre, axes, angle=0.0, count=40):
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    points = np.stack([axes[0] * np.cos(turn), axes[1] * np.sin(turn)], 1)
    return _rotate(points, angle) + np.asarray(centre)


def _rotate(points, degrees, centre=(0.0, 0.0)):
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)],
                       [-np.sin(angle), np.cos(angle)]])
    centre = np.asarray(centre)
    return (np.asarray(points, np.float64) - centre) @ matrix + centre


def _curve(points, count=10):
    """Closed Catmull-Rom curve through points."""
    points = np.asarray(points, np.float64)
    t = np.linspace(0, 1, count, endpoint=False)[:, None, None]
    before, start, end, after = (np.roll(points, shift, 0)[None]
                                 for shift in (1, 0, -1, -2))
    curve = 0.5 * (2 * start + (end - before) * t
                   + (2 * before - 5 * start + 4 * end - after) * t ** 2
                   + (3 * start - before - 3 * end + after) * t ** 3)
    return curve.transpose(1, 0, 2).reshape(-1, 2)


def _fixed(points):
    return np.round(np.asarray(points) * (1 << _SUBPIXEL_BITS)).astype(
        np.int32)


def _fill(canvas, points, colour):
    cv2.fillPoly(canvas, [_fixed(points)], _tuple(colour), cv2.LINE_AA,
                 _SUBPIXEL_BITS)


def _line(canvas, points, colour, width):
    cv2.polylines(canvas, [_fixed(points)], False, _tuple(colour),
                  max(1, int(round(width))), cv2.LINE_AA, _SUBPIXEL_BITS)


# -- background -------------------------------------------------------------
_SCENES = ("sky", "foliage", "ground")
_PALETTES = {
    "sky": (((96, 150, 214), (196, 220, 240)), ((150, 160, 178),
            (214, 216, 220)), ((236, 168, 120), (250, 222, 180)),
            ((120, 120, 176), (236, 190, 190))),
    "foliage": (((44, 84, 40), (140, 176, 90)), ((92, 70, 40),
                (206, 150, 70)), ((36, 66, 62), (120, 160, 140)),
                ((112, 110, 96), (196, 190, 170))),
    "ground": (((150, 176, 200), (104, 134, 66)), ((206, 214, 222),
               (188, 160, 116)), ((200, 190, 196), (222, 226, 232)),
               ((176, 190, 170), (112, 90, 66))),
}


def _draw_background(rng, scene):
    half = IMAGE_SIZE // 2
    palette = _PALETTES[scene][rng.integers(len(_PALETTES[scene]))]
    top, bottom = (_jitter(rng, colour, 18) for colour in palette)
    ramp = np.linspace(0, 1, half, dtype=np.float32)[:, None, None]
    horizon = None
    if scene == "ground":
        horizon = rng.uniform(0.3, 0.6)
        ramp = np.clip((ramp - horizon) * 25, 0, 1) * 0.8 + 0.2 * ramp
    elif scene == "foliage":
        ramp = 0.25 + 0.4 * ramp
    picture = top * (1 - ramp) + bottom * ramp
    picture = np.repeat(picture, half, 1)
    patches = np.zeros((half, half), np.float32)
    for cells, weight in ((5, 16.0), (14, 9.0)):
        noise = rng.standard_normal((cells, cells)).astype(np.float32)
        patches += weight * cv2.resize(noise, (half, half),
                                       interpolation=cv2.INTER_CUBIC)
    strength = {"sky": 0.35, "foliage": 1.2, "ground": 0.7}[scene]
    picture += strength * patches[..., None]
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    if scene == "sky":
        _draw_clouds(rng, picture)
    elif scene == "foliage":
        _draw_bokeh(rng, picture, bottom)
    else:
        _draw_bushes(rng, picture, horizon * half, bottom)
    # Drawn at half size: enlarging it is a free out-of-focus blur.
    picture = cv2.blur(picture, (3, 3))
    return cv2.resize(picture, (IMAGE_SIZE, IMAGE_SIZE),
                      interpolation=cv2.INTER_LINEAR), horizon


def _draw_clouds(rng, picture):
    layer = np.zeros(picture.shape[:2], np.uint8)
    size = picture.shape[0]
    for _ in range(rng.integers(1, 5)):
        centre = rng.uniform(0, size, 2)
        for _ in range(rng.integers(4, 9)):
            offset = rng.normal(0, 1, 2) * (14, 4)
            axes = rng.uniform(5, 15), rng.uniform(3, 8)
            _fill(layer, _ellipse(centre + offset, axes), (255, 0, 0))
    layer = cv2.GaussianBlur(layer, (0, 0), 3).astype(np.float32)
    share = layer[..., None] / 255 * rng.uniform(0.4, 0.85)
    picture[:] = picture * (1 - share) + 246 * share


def _draw_bokeh(rng, picture, light):
    size = picture.shape[0]
    layer = picture.copy()
    for _ in range(rng.integers(14, 34)):
        colour = _jitter(rng, _shade(light, rng.uniform(0.5, 1.35)), 26)
        radius = rng.uniform(3, 15)
        _fill(layer, _ellipse(rng.uniform(0, size, 2),
                              (radius, radius * rng.uniform(0.7, 1)),
                              rng.uniform(0, 180), 24), colour)
    share = rng.uniform(0.35, 0.65)
    cv2.addWeighted(layer, share, picture, 1 - share, 0, picture)


def _draw_bushes(rng, picture, horizon, ground):
    size = picture.shape[0]
    green = _jitter(rng, (84, 110, 66), 26)
    for _ in range(rng.integers(2, 8)):
        axes = rng.uniform(6, 26), rng.uniform(4, 16)
        centre = rng.uniform(0, size), horizon + rng.uniform(-2, 3)
        _fill(picture, _ellipse(centre, axes),
              _shade(green, rng.uniform(0.7, 1.2)))
    _fill(picture, [(0, horizon + 4), (size, horizon + 3), (size, size),
                    (0, size)], _shade(ground, rng.uniform(0.85, 1.05)))
    for _ in range(rng.integers(6, 18)):
        centre = rng.uniform(0, size), rng.uniform(horizon + 6, size)
        _fill(picture, _ellipse(centre, (rng.uniform(4, 16),
                                         rng.uniform(1, 4))),
              _shade(ground, rng.uniform(0.75, 1.2)))


def _leaf(centre, length, angle):
    shape = _curve([(0, 0), (0.5, -0.24), (1, 0), (0.5, 0.24)], 5)
    return _rotate(shape * length, angle) + np.asarray(centre)


def _draw_plants(rng, picture, scene, horizon):
    """Crisp leaves, flowers and berries of any colour: distractors."""
    size = IMAGE_SIZE
    if scene == "ground":
        blade = _jitter(rng, (96, 120, 60), 30)
        for _ in range(rng.integers(10, 50)):
            x = rng.uniform(0, size)
            y = size * rng.uniform(min(horizon + 0.15, 0.9), 1.05)
            tip = x + rng.normal(0, 7), y - rng.uniform(8, 26)
            _line(picture, [(x, y), tip],
                  _shade(blade, rng.uniform(0.6, 1.4)), 1.5)
    for _ in range(rng.integers(0, 4)):
        centre = rng.uniform(0, size, 2)
        if scene == "ground":
            centre[1] = size * rng.uniform(horizon + 0.1, 1)
        elif scene == "sky":
            centre = centre * (1, 0.25) + (0, size * 0.85)
        colour = rng.uniform(20, 250, 3)
        green = _jitter(rng, (80, 120, 56), 30)
        for angle in rng.uniform(0, 360, rng.integers(2, 5)):
            _fill(picture, _leaf(centre, rng.uniform(14, 28), angle), green)
        radius = rng.uniform(3, 8)
        if rng.random() < 0.5:
            for angle in np.arange(5) * 72 + rng.uniform(0, 72):
                _fill(picture, _leaf(centre, radius * 2, angle), colour)
            _fill(picture, _ellipse(centre, (radius * 0.5,) * 2), (250, 220,
                                                                  90))
        else:
            for offset in rng.normal(0, 6, (rng.integers(1, 4), 2)):
                _fill(picture, _ellipse(centre + offset, (radius * 0.7,) * 2),
                      colour)


def _draw_branch(rng, picture, feet, slope):
    bark = _jitter(rng, (96, 74, 56), 22)
    width = rng.uniform(5, 11)
    x = np.linspace(-20, IMAGE_SIZE + 20, 12)
    y = (feet[1] + width / 2 + np.tan(slope) * (x - feet[0])
         + 0.0008 * rng.uniform(-1, 1) * (x - feet[0]) ** 2)
    points = np.stack([x, y], 1)
    for _ in range(rng.integers(1, 4)):
        start = points[rng.integers(1, 11)]
        tip = start + rng.uniform(-1, 1, 2) * (50, 70)
        _line(picture, [start, tip], bark, width * 0.4)
        for _ in range(rng.integers(1, 4)):
            green = _jitter(rng, (90, 126, 60), 34)
            _fill(picture, _leaf(tip, rng.uniform(14, 30),
                                 rng.uniform(0, 360)), green)
    _line(picture, points, _shade(bark, 0.75), width)
    _line(picture, points - (0, width * 0.2), _shade(bark, 1.15), width * 0.4)


# -- bird -------------------------------------------------------------------
def _bird_parts(rng, label, flying):
    """Polygons in bird units (facing right, body one unit long)."""
    crown = _jitter(rng, _CROWN_COLOURS[label], 16)
    plumage_label = label
    if rng.random() >= PLUMAGE_RELIABILITY:
        plumage_label = int(rng.integers(len(CLASS_NAMES)))
    tone = _jitter(rng, _PLUMAGE_COLOURS[plumage_label], 12)
    neutral = _jitter(rng, _NEUTRAL_COLOURS[rng.integers(4)], 12)
    neutral = _shade(neutral, rng.uniform(0.8, 1.2))
    body = _mix(neutral, tone, PLUMAGE_TINT)
    wing = _shade(_mix(neutral, tone, PLUMAGE_TINT), 0.74)
    accent = _shade(_mix(neutral, tone, PLUMAGE_ACCENT), 1.15)
    belly = _mix(body, (244, 236, 222), 0.45)
    dark = _shade(wing, 0.66)
    beak_colour = _jitter(rng, ((222, 160, 50), (70, 64, 62),
                                (200, 120, 70))[rng.integers(3)], 14)

    plump = rng.uniform(0.29, 0.36)
    radius = rng.uniform(0.205, 0.24)
    head = np.array([rng.uniform(0.40, 0.48), -rng.uniform(0.26, 0.38)])
    if flying:
        head = np.array([rng.uniform(0.46, 0.54), -rng.uniform(0.06, 0.16)])
        plump *= 0.85
    tail_length = rng.uniform(0.26, 0.44)
    tail_angle = rng.uniform(-16, 16)
    gape = rng.uniform(0.16, 0.26)
    parts = []

    def fill(points, colour):
        parts.append(("fill", np.asarray(points), colour, 0))

    def line(points, colour, width):
        parts.append(("line", np.asarray(points), colour, width))

    # Tail.
    root = np.array([-0.36, 0.02])
    half_tip = rng.uniform(0.08, 0.15)
    end = -0.36 - tail_length
    notch = rng.uniform(-0.05, 0.08)
    tail = _rotate([(-0.25, -0.09), (end, -half_tip), (end + notch, 0.0),
                    (end, half_tip), (-0.25, 0.13)], tail_angle, (0, 0))
    tail = tail + (0, root[1])
    if not flying:
        for foot in (0.02, 0.12):
            line([(foot, 0.25), (foot - 0.02, 0.48)], (120, 86, 60), 0.035)
            line([(foot - 0.02, 0.47), (foot + 0.07, 0.49)], (120, 86, 60),
                 0.035)
    if flying:
        far = _wing_open(rng, 0.8, -8)
        fill(far, _shade(dark, 0.95))
    fill(tail, wing)
    for share in (0.45, 0.7, 0.92):
        left, right = (_mix(tail[index], tail[other], share)
                       for index, other in ((0, 1), (4, 3)))
        line([left, right], accent, 0.05)
    # Body and neck.
    fill(_curve([(0.5, -0.1), (0.3, -0.30), (0, -plump), (-0.3, -0.2),
                 (-0.48, 0.03), (-0.25, plump * 0.75), (0.1, plump),
                 (0.40, 0.2)]), body)
    neck = np.concatenate([_ellipse(head, (radius, radius)),
                           _ellipse((0.2, -0.02), (0.27, 0.27))])
    neck = cv2.convexHull(neck.astype(np.float32))[:, 0]
    fill(neck, body)
    fill(_curve([(0.46, -0.02), (0.42, 0.17), (0.1, plump * 0.92),
                 (-0.2, plump * 0.7), (0.05, 0.12), (0.3, 0.04)]), belly)
    # Head.
    fill(head + [(radius * 0.85, -0.05), (radius + gape, 0.03),
                 (radius * 0.8, 0.1)], beak_colour)
    line(head + [(radius * 0.9, 0.035), (radius + gape, 0.03)],
         _shade(beak_colour, 0.6), 0.02)
    fill(_ellipse(head, (radius * 1.02, radius * 0.98)), crown)
    if rng.random() < 0.5:
        fill(head + [(-radius * 0.2, -radius * 0.85),
                     (-radius * 1.35, -radius * 1.25),
                     (-radius * 0.9, -radius * 0.3)], crown)
    eye = head + (radius * 0.38, -radius * 0.12)
    fill(_ellipse(eye, (0.05, 0.05), count=20), (240, 236, 224))
    fill(_ellipse(eye, (0.038, 0.038), count=20), (16, 14, 14))
    fill(_ellipse(eye + (0.012, -0.014), (0.012, 0.012), count=8),
         (255, 255, 255))
    # Wing.
    if flying:
        near = _wing_open(rng, 1.0, 10)
        fill(near, wing)
        count = len(near)
        for index in range(count // 2, count - 4, 4):
            line([(-0.02, -0.08), near[index] * 0.95], dark, 0.02)
        line(near[4:count // 2] * 0.9 + (0.0, 0.02), accent, 0.06)
    else:
        angle = rng.uniform(-8, 14)
        tip = rng.uniform(-0.66, -0.52)
        shape = _curve([(0.26, -0.08), (0.1, -0.22), (-0.25, -0.15),
                        (tip, 0.06), (-0.3, 0.14), (0.1, 0.15)])
        fill(_rotate(shape, angle), wing)
        for offset in (0.0, 0.05, 0.1):
            line(_rotate([(-0.05, -0.07 + offset), (-0.3, -0.02 + offset),
                          (tip + 0.1 + offset, 0.05 + offset * 0.4)],
                         angle), dark, 0.02)
        for place in (0.12, -0.04):
            line(_rotate([(place, -0.16), (place - 0.05, 0.0),
                          (place - 0.02, 0.12)], angle), accent, 0.06)
    return parts


def _wing_open(rng, length, turn):
    shape = _curve([(0.2, -0.05), (0.12, -0.45), (-0.1, -0.85),
                    (-0.3, -0.95), (-0.34, -0.6), (-0.3, -0.25),
                    (-0.2, 0.0)], 6)
    return _rotate(shape * (1, length * rng.uniform(0.75, 0.95)),
                   turn + rng.uniform(-10, 25))


def draw_bird(index, label, seed=0, split="train"):
    rng = np.random.default_rng([seed, _SPLITS.index(split), index])
    size = IMAGE_SIZE
    scene = _SCENES[rng.integers(len(_SCENES))]
    picture, horizon = _draw_background(rng, scene)
    flying = scene == "sky" and rng.random() < 0.6
    parts = _bird_parts(rng, label, flying)
    pitch = rng.uniform(-12, 12) if flying else rng.uniform(-32, 6)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    everything = np.concatenate([part[1] for part in parts])

    def place(points):
        return _rotate(points, pitch) * (flip, 1)

    low, high = (extreme(place(everything), 0) for extreme in
                 (np.min, np.max))
    extent = high - low
    # The box takes 10 to 36 % of the picture, and lies anywhere in it.
    scale = np.sqrt(rng.uniform(0.11, 0.36) * size ** 2 / extent.prod())
    scale = min(scale, 0.86 * size / extent.max())
    margin = np.minimum(10.0, (size - extent * scale) / 2)
    corner = rng.uniform(margin, size - extent * scale - margin)
    if scene == "ground":
        corner[1] = max(corner[1], min((horizon + 0.12) * size
                                       - extent[1] * scale,
                                       size - extent[1] * scale - margin[1]))
    offset = corner - low * scale
    feet = place([(0.05, 0.49)])[0] * scale + offset
    _draw_plants(rng, picture, scene, horizon)
    if scene != "ground" and not flying:
        _draw_branch(rng, picture, feet, rng.uniform(-0.2, 0.2))
    elif scene == "ground":
        shadow = picture.copy()
        _fill(shadow, _ellipse(feet, (scale * 0.5, scale * 0.08)),
              (40, 40, 36))
        cv2.addWeighted(shadow, 0.4, picture, 0.6, 0, picture)

    x0, y0 = np.maximum(np.floor(corner).astype(int) - 4, 0)
    x1, y1 = np.minimum(np.ceil(corner + extent * scale).astype(int) + 5,
                        size)
    zoom = _SUPERSAMPLING
    canvas = cv2.resize(picture[y0:y1, x0:x1], None, fx=zoom, fy=zoom,
                        interpolation=cv2.INTER_NEAREST)
    before = canvas.copy()
    silhouette = np.zeros(canvas.shape[:2], np.uint8)
    for kind, points, colour, width in parts:
        points = (place(points) * scale + offset - (x0, y0)) * zoom
        if kind == "fill":
            _fill(canvas, points, colour)
            _fill(silhouette, points, (255, 0, 0))
        else:
            _line(canvas, points, colour, width * scale * zoom)
            _line(silhouette, points, (255, 0, 0), width * scale * zoom)
    # Light from above and a feathery grain make the flat parts round.
    height, width = silhouette.shape
    small = cv2.resize(silhouette, (width // 8 + 1, height // 8 + 1),
                       interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 0.1 * scale * zoom / 8,
                             borderType=cv2.BORDER_CONSTANT)
    depth = cv2.resize(small, (width, height)).astype(np.float32) / 255
    shift = int(0.07 * scale * zoom)
    lit = np.roll(depth, -shift, 0) - np.roll(depth, shift, 0)
    grain = rng.standard_normal((height // 3 + 1, width // 5 + 1))
    grain = cv2.resize(grain.astype(np.float32), (width, height))
    light = 0.86 + 0.14 * depth + 0.42 * lit + 0.045 * grain
    shaded = np.clip(canvas * light[..., None], 0, 255)
    share = silhouette[..., None].astype(np.float32) / 255
    canvas = (shaded * share + before * (1 - share)).astype(np.uint8)
    patch = (x1 - x0, y1 - y0)
    picture[y0:y1, x0:x1] = cv2.resize(canvas, patch,
                                       interpolation=cv2.INTER_AREA)
    mask = np.zeros((size, size), bool)
    mask[y0:y1, x0:x1] = cv2.resize(silhouette, patch,
                                    interpolation=cv2.INTER_AREA) >= 128
    # Exposure, colour temperature and sensor noise.
    gain = rng.uniform(0.8, 1.15) * rng.uniform(0.95, 1.05, 3)
    noise = rng.integers(-6, 7, (size, size, 1)).astype(np.float32)
    picture = np.clip(picture * gain.astype(np.float32) + noise, 0, 255)
    return picture.astype(np.uint8), mask

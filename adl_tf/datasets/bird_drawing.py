"""Synthetic birds: a drawn data set on which ADL's effect can be seen.

Every picture shows one bird on a branch, on the ground or in the sky, drawn
with numpy and OpenCV from a seed.  The ten classes differ in two cues:

*   the crown: the whole head has a vivid colour of its own.  This cue is
    small (about a fifth of the bird) and never lies;
*   the plumage: body, wing bars and tail bands carry a duller colour of the
    class.  This cue is large but weak: it is mixed with a neutral colour,
    and in some pictures it is that of another class drawn at random.

A classifier trained on image labels alone can live on the crown, and there
its class activation map peaks, so the box of a plain CAM is too small or off
to one side.  ADL hides the strongest cells in training; then the plumage is
what is left to classify by, and the map grows over the body.  Pose, place,
size, light and background are drawn without looking at the class, and the
background holds flowers and berries in the colours of the classes, so that a
very low threshold is no way out.
"""

import collections

import cv2
import numpy as np

# Raise it whenever the drawing changes, so that old pictures are replaced.
VERSION = 1
IMAGE_SIZE = 256

# name: (crown colour, plumage colour), both RGB.  The hues of the two are
# unrelated, so that a detector of one does not answer to the other.
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
_CROWNS, _PLUMAGES = zip(*_CLASSES.values(), strict=True)
_NEUTRALS = ((128, 104, 82), (132, 128, 124), (158, 134, 104), (108, 100, 98))
# How far the plumage can be trusted, and how much of its colour shows.
PLUMAGE_RELIABILITY = 0.85
PLUMAGE_TINT = 0.7
ACCENT_TINT = 0.95

_SCENES = ("sky", "foliage", "ground")
_PALETTES = {  # (top, bottom) colours of the background
    "sky": (
        ((96, 150, 214), (196, 220, 240)),
        ((150, 160, 178), (214, 216, 220)),
        ((236, 168, 120), (250, 222, 180)),
        ((120, 120, 176), (236, 190, 190)),
    ),
    "foliage": (
        ((44, 84, 40), (140, 176, 90)),
        ((92, 70, 40), (206, 150, 70)),
        ((36, 66, 62), (120, 160, 140)),
        ((112, 110, 96), (196, 190, 170)),
    ),
    "ground": (
        ((150, 176, 200), (104, 134, 66)),
        ((206, 214, 222), (188, 160, 116)),
        ((200, 190, 196), (222, 226, 232)),
        ((176, 190, 170), (112, 90, 66)),
    ),
}
SPLITS = ("train", "test")
_SUPERSAMPLING = 2
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
# A polygon (width 0) or a line of the bird, in units of its body length.
_Part = collections.namedtuple("_Part", "points colour width")


def _jitter(rng, colour, amount):
    return np.asarray(colour) + rng.uniform(-amount, amount, 3)


def _mix(first, second, share):
    return (1 - share) * np.asarray(first) + share * np.asarray(second)


def _shade(colour, factor):
    return np.asarray(colour) * factor


def _rotate(points, degrees):
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.asarray(points) @ np.array([[cosine, sine], [-sine, cosine]])


def _ellipse(centre, axes, angle=0.0):
    return _rotate(_CIRCLE * axes, angle) + centre


def _curve(points):
    """Returns a smooth closed (Catmull-Rom) curve through the points."""
    points = np.asarray(points, float)
    neighbours = np.arange(len(points))[:, None] + np.arange(-1, 3)
    curve = _CATMULL_ROM @ points[neighbours % len(points)]
    return curve.reshape(-1, 2)


_LEAF = _curve([(0, 0), (0.5, -0.24), (1, 0), (0.5, 0.24)])


def _leaf(centre, length, angle):
    return _rotate(_LEAF * length, angle) + centre


def _draw(picture, points, colour, width=0.0):
    """Draws an antialiased polygon, or a line where a width is given."""
    points = np.round(np.asarray(points) * 2**_SUBPIXEL_BITS).astype("i4")
    colour = [min(max(float(value), 0.0), 255.0) for value in colour]
    if width:
        cv2.polylines(
            picture,
            [points],
            False,
            colour,
            max(1, round(width)),
            cv2.LINE_AA,
            _SUBPIXEL_BITS,
        )
    else:
        cv2.fillPoly(picture, [points], colour, cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_background(rng, scene):
    """Draws sky, foliage or ground; returns it and the horizon (0..1)."""
    # Drawn at half size: enlarging it is an out-of-focus blur for nothing.
    size = IMAGE_SIZE // 2
    palette = _PALETTES[scene][rng.integers(len(_PALETTES[scene]))]
    top, bottom = (_jitter(rng, colour, 18) for colour in palette)
    horizon = rng.uniform(0.3, 0.6)
    ramp = np.linspace(0, 1, size)[:, None, None]
    if scene == "ground":
        ramp = np.clip((ramp - horizon) * 25, 0, 1) * 0.8 + 0.2 * ramp
    elif scene == "foliage":
        ramp = 0.25 + 0.4 * ramp
    texture = np.zeros((size, size), np.float32)
    for cells, strength in ((5, 16), (14, 9)):
        noise = rng.standard_normal((cells, cells), np.float32) * strength
        texture += cv2.resize(
            noise, (size, size), interpolation=cv2.INTER_CUBIC
        )
    texture *= {"sky": 0.35, "foliage": 1.2, "ground": 0.7}[scene]
    picture = (top * (1 - ramp) + bottom * ramp) + texture[..., None]
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    layer = picture.copy()
    if scene == "sky":
        for _ in range(rng.integers(1, 5)):
            centre = rng.uniform(0, size, 2)
            for _ in range(rng.integers(4, 9)):
                axes = rng.uniform(5, 15), rng.uniform(3, 8)
                _draw(
                    layer,
                    _ellipse(centre + rng.normal(0, (14, 4)), axes),
                    (246, 246, 246),
                )
        layer = cv2.blur(cv2.blur(layer, (7, 7)), (5, 5))
        share = rng.uniform(0.4, 0.85)
    elif scene == "foliage":
        for _ in range(rng.integers(14, 34)):
            colour = _jitter(rng, bottom * rng.uniform(0.5, 1.35), 26)
            radius = rng.uniform(3, 15)
            _draw(
                layer,
                _ellipse(
                    rng.uniform(0, size, 2),
                    (radius, radius * rng.uniform(0.7, 1)),
                    rng.uniform(0, 180),
                ),
                colour,
            )
        share = rng.uniform(0.35, 0.65)
    else:
        line = horizon * size
        green = _jitter(rng, (84, 110, 66), 26)
        for _ in range(rng.integers(2, 8)):
            centre = rng.uniform(0, size), line + rng.uniform(-2, 3)
            axes = rng.uniform(6, 26), rng.uniform(4, 16)
            _draw(layer, _ellipse(centre, axes), green * rng.uniform(0.7, 1.2))
        _draw(
            layer,
            [(0, line + 4), (size, line + 3), (size, size), (0, size)],
            bottom * rng.uniform(0.85, 1.05),
        )
        for _ in range(rng.integers(6, 18)):
            centre = rng.uniform(0, size), rng.uniform(line + 6, size)
            axes = rng.uniform(4, 16), rng.uniform(1, 4)
            _draw(
                layer, _ellipse(centre, axes), bottom * rng.uniform(0.75, 1.2)
            )
        share = 1.0
    picture = cv2.addWeighted(layer, share, picture, 1 - share, 0)
    picture = cv2.resize(cv2.blur(picture, (3, 3)), (IMAGE_SIZE,) * 2)
    return picture, horizon


def _draw_plants(rng, picture, scene, horizon):
    """Draws grass, and flowers and berries in the colours of the classes."""
    if scene == "ground":
        green = _jitter(rng, (96, 120, 60), 30)
        for _ in range(rng.integers(10, 50)):
            foot = rng.uniform((0, min(horizon + 0.15, 0.9)), (1, 1.05))
            foot = foot * IMAGE_SIZE
            tip = foot + (rng.normal(0, 7), -rng.uniform(8, 26))
            _draw(picture, [foot, tip], green * rng.uniform(0.6, 1.4), 1.5)
    highest = {"sky": 0.75, "foliage": 0.0, "ground": horizon + 0.1}[scene]
    palette = _CROWNS + _PLUMAGES
    for _ in range(rng.integers(2, 6)):
        centre = rng.uniform((0, highest), 1) * IMAGE_SIZE
        colour = _jitter(rng, palette[rng.integers(len(palette))], 20)
        green = _jitter(rng, (80, 120, 56), 30)
        for angle in rng.uniform(0, 360, rng.integers(2, 5)):
            _draw(picture, _leaf(centre, rng.uniform(14, 28), angle), green)
        radius = rng.uniform(3, 8)
        if rng.random() < 0.5:
            for angle in np.arange(5) * 72 + rng.uniform(0, 72):
                _draw(picture, _leaf(centre, radius * 2, angle), colour)
            _draw(picture, _ellipse(centre, (radius / 2,) * 2), (250, 220, 90))
        else:
            for berry in centre + rng.normal(0, 6, (rng.integers(1, 5), 2)):
                _draw(picture, _ellipse(berry, (radius * 0.7,) * 2), colour)


def _draw_branch(rng, picture, feet):
    bark = _jitter(rng, (96, 74, 56), 22)
    width = rng.uniform(5, 11)
    along = np.linspace(-20, IMAGE_SIZE + 20, 12)
    height = (
        feet[1]
        + width / 2
        + rng.uniform(-0.2, 0.2) * (along - feet[0])
        + rng.uniform(-8e-4, 8e-4) * (along - feet[0]) ** 2
    )
    points = np.stack([along, height], 1)
    for start in points[rng.integers(1, 11, rng.integers(1, 4))]:
        tip = start + rng.uniform(-1, 1, 2) * (50, 70)
        _draw(picture, [start, tip], bark, width * 0.4)
        for angle in rng.uniform(0, 360, rng.integers(1, 4)):
            _draw(
                picture,
                _leaf(tip, rng.uniform(14, 30), angle),
                _jitter(rng, (90, 126, 60), 34),
            )
    _draw(picture, points, bark * 0.75, width)
    _draw(picture, points - (0, width * 0.2), bark * 1.15, width * 0.4)


def _open_wing(rng, length, turn):
    shape = _curve(
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
    return _rotate(
        shape * (1, length * rng.uniform(0.75, 0.95)),
        turn + rng.uniform(-10, 25),
    )


def _bird_parts(rng, label, flying):
    """Returns the parts of a bird that faces right, back to front."""
    parts = []

    def add(points, colour, width=0.0):
        parts.append(_Part(np.asarray(points, float), colour, width))

    crown = _jitter(rng, _CROWNS[label], 16)
    if rng.random() >= PLUMAGE_RELIABILITY:
        label = rng.integers(len(CLASS_NAMES))
    tone = _jitter(rng, _PLUMAGES[label], 12)
    neutral = _jitter(rng, _NEUTRALS[rng.integers(len(_NEUTRALS))], 12)
    neutral = neutral * rng.uniform(0.8, 1.2)
    body = _mix(neutral, tone, PLUMAGE_TINT)
    accent = _mix(neutral, tone, ACCENT_TINT) * 1.15
    belly = _mix(body, (244, 236, 222), 0.45)
    wing, dark = body * 0.74, body * 0.5
    beak = _jitter(
        rng, ((222, 160, 50), (70, 64, 62), (200, 120, 70))[rng.integers(3)], 14
    )
    radius = rng.uniform(0.205, 0.24)
    belly_depth = rng.uniform(0.29, 0.36) * (0.85 if flying else 1)
    head = (
        rng.uniform((0.46, -0.16), (0.54, -0.06))
        if flying
        else (rng.uniform((0.40, -0.38), (0.48, -0.26)))
    )

    if flying:
        add(_open_wing(rng, 0.8, -8), dark)
    else:
        for foot in (0.02, 0.12):
            add(
                [(foot, 0.25), (foot - 0.02, 0.48), (foot + 0.07, 0.49)],
                (120, 86, 60),
                0.035,
            )
    tip, half = -0.36 - rng.uniform(0.26, 0.44), rng.uniform(0.08, 0.15)
    tail = [
        (-0.25, -0.09),
        (tip, -half),
        (tip + rng.uniform(-0.05, 0.08), 0),
        (tip, half),
        (-0.25, 0.13),
    ]
    tail = _rotate(tail, rng.uniform(-16, 16)) + (0, 0.02)
    add(tail, wing)
    for share in (0.45, 0.7, 0.92):
        add(
            [_mix(tail[0], tail[1], share), _mix(tail[4], tail[3], share)],
            accent,
            0.05,
        )
    add(
        _curve(
            [
                (0.5, -0.1),
                (0.3, -0.30),
                (0, -belly_depth),
                (-0.3, -0.2),
                (-0.48, 0.03),
                (-0.25, belly_depth * 0.75),
                (0.1, belly_depth),
                (0.40, 0.2),
            ]
        ),
        body,
    )
    neck = np.concatenate(
        [_ellipse(head, (radius, radius)), _ellipse((0.2, -0.02), (0.27, 0.27))]
    )
    add(cv2.convexHull(neck.astype(np.float32))[:, 0], body)
    add(
        _curve(
            [
                (0.46, -0.02),
                (0.42, 0.17),
                (0.1, belly_depth * 0.92),
                (-0.2, belly_depth * 0.7),
                (0.05, 0.12),
                (0.3, 0.04),
            ]
        ),
        belly,
    )
    point = head + (radius + rng.uniform(0.16, 0.26), 0.03)
    add(
        [head + (radius * 0.85, -0.05), point, head + (radius * 0.8, 0.1)], beak
    )
    add([head + (radius * 0.9, 0.035), point], beak * 0.6, 0.02)
    add(_ellipse(head, (radius * 1.02, radius * 0.98)), crown)
    if rng.random() < 0.5:
        add(
            head
            + np.multiply(
                [(-0.2, -0.85), (-1.35, -1.25), (-0.9, -0.3)], radius
            ),
            crown,
        )
    eye = head + (radius * 0.38, -radius * 0.12)
    add(_ellipse(eye, (0.05, 0.05)), (240, 236, 224))
    add(_ellipse(eye, (0.038, 0.038)), (16, 14, 14))
    add(_ellipse(eye + (0.012, -0.014), (0.012, 0.012)), (255, 255, 255))
    if flying:
        near = _open_wing(rng, 1.0, 10)
        add(near, wing)
        for index in range(len(near) // 2, len(near) - 4, 4):
            add([(-0.02, -0.08), near[index] * 0.95], dark, 0.02)
        add(near[4 : len(near) // 2] * 0.9 + (0, 0.02), accent, 0.06)
        return parts
    angle, tip = rng.uniform(-8, 14), rng.uniform(-0.66, -0.52)
    add(
        _rotate(
            _curve(
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
        wing,
    )
    for low in (0.0, 0.05, 0.1):
        add(
            _rotate(
                [
                    (-0.05, low - 0.07),
                    (-0.3, low - 0.02),
                    (tip + 0.1 + low, 0.05 + low * 0.4),
                ],
                angle,
            ),
            dark,
            0.02,
        )
    for bar in (0.12, -0.04):
        add(
            _rotate(
                [(bar, -0.16), (bar - 0.05, 0.0), (bar - 0.02, 0.12)], angle
            ),
            accent,
            0.06,
        )
    return parts


def _paint_bird(rng, picture, parts, scale):
    """Paints the parts (in pixels) into the picture; returns their mask."""
    corners = np.concatenate([part.points for part in parts])
    left, top = np.maximum(corners.min(0).astype(int) - 5, 0)
    right, bottom = np.minimum(corners.max(0).astype(int) + 6, IMAGE_SIZE)
    region = (slice(top, bottom), slice(left, right))
    canvas = cv2.resize(
        picture[region],
        None,
        fx=_SUPERSAMPLING,
        fy=_SUPERSAMPLING,
        interpolation=cv2.INTER_NEAREST,
    )
    silhouette = np.zeros(canvas.shape[:2], np.uint8)
    for part in parts:
        points = (part.points - (left, top)) * _SUPERSAMPLING
        width = part.width * scale * _SUPERSAMPLING
        _draw(canvas, points, part.colour, width)
        _draw(silhouette, points, (255,), width)
    size = (right - left, bottom - top)
    canvas = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(silhouette, size, interpolation=cv2.INTER_AREA)
    # Light from above and a feathery grain make the flat parts round.
    depth = cv2.resize(
        cover, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA
    )
    depth = cv2.GaussianBlur(
        depth, (0, 0), 0.025 * scale, borderType=cv2.BORDER_CONSTANT
    )
    depth = cv2.resize(depth, size).astype(np.float32) / 255
    step = int(0.07 * scale)
    light = np.roll(depth, -step, 0) - np.roll(depth, step, 0)
    grain = rng.standard_normal(
        (size[1] // 2 + 1, size[0] // 3 + 1), np.float32
    )
    light = 0.86 + 0.14 * depth + 0.42 * light + 0.05 * cv2.resize(grain, size)
    share = cover.astype(np.float32) / 255
    light = 1 + share * (light - 1)
    picture[region] = np.clip(canvas * light[..., None], 0, 255)
    mask = np.zeros(picture.shape[:2], bool)
    mask[region] = cover >= 128
    return mask


def draw_bird(index, label, seed=0, split="train"):
    """Draws one picture, which depends on the arguments and nothing else.

    Args:
        index: number of the picture within its split.
        label: class, an index into `CLASS_NAMES`.
        seed: seed of the data set.
        split: "train" or "test".

    Returns:
        The picture (uint8, RGB, 256 x 256 x 3) and the mask of the bird
        (bool, 256 x 256).

    Raises:
        ValueError: if the label or the split does not exist.

    Example:
        image, mask = draw_bird(0, CLASS_NAMES.index("rose_crowned"))
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; it must be one of {SPLITS}")
    if not 0 <= label < len(CLASS_NAMES):
        raise ValueError(
            f"label is {label}; it must be in 0..{len(CLASS_NAMES) - 1}"
        )
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    scene = _SCENES[rng.integers(len(_SCENES))]
    picture, horizon = _draw_background(rng, scene)
    flying = scene == "sky" and rng.random() < 0.6
    parts = _bird_parts(rng, label, flying)
    pitch = rng.uniform(-12, 12) if flying else rng.uniform(-32, 6)
    mirror = (rng.choice((-1.0, 1.0)), 1.0)
    parts = [
        part._replace(points=_rotate(part.points, pitch) * mirror)
        for part in parts
    ]
    corners = np.concatenate([part.points for part in parts])
    extent = np.ptp(corners, axis=0)
    # The box takes 11 to 30 % of the picture.  It lies towards the borders
    # more often than not, so that a box in the middle is no way to score.
    scale = IMAGE_SIZE * np.sqrt(rng.uniform(0.11, 0.30) / extent.prod())
    scale = min(scale, 0.86 * IMAGE_SIZE / extent.max())
    room = IMAGE_SIZE - extent * scale
    margin = np.minimum(10, room / 2)
    corner = margin + rng.beta(0.4, 0.4, 2) * (room - 2 * margin)
    if scene == "ground":  # feet below the horizon
        lowest = IMAGE_SIZE * (horizon + 0.12) - extent[1] * scale
        corner[1] = np.clip(lowest, corner[1], room[1] - margin[1])
    shift = corner - corners.min(0) * scale
    parts = [
        part._replace(points=part.points * scale + shift) for part in parts
    ]
    feet = _rotate([(0.05, 0.49)], pitch)[0] * mirror * scale + shift
    _draw_plants(rng, picture, scene, horizon)
    if scene == "ground":
        shadow = picture.copy()
        _draw(shadow, _ellipse(feet, (scale * 0.5, scale * 0.08)), (40, 40, 36))
        picture = cv2.addWeighted(shadow, 0.4, picture, 0.6, 0)
    elif not flying:
        _draw_branch(rng, picture, feet)
    mask = _paint_bird(rng, picture, parts, scale)
    # Exposure, colour temperature and sensor noise.
    gain = rng.uniform(0.8, 1.15) * rng.uniform(0.95, 1.05, 3)
    table = np.clip((np.arange(256)[:, None] - 6) * gain, 0, 255)
    noise = rng.integers(0, 13, mask.shape, np.uint8)
    picture = cv2.add(picture, cv2.merge([noise] * 3))
    return cv2.LUT(picture, table[:, None].astype(np.uint8)), mask

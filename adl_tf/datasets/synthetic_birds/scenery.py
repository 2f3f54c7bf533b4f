"""Backgrounds, independent of the class: sky, foliage, ground."""

import cv2
import numpy as np

from adl_tf.datasets.synthetic_birds.shapes import draw, ellipse, jitter, leaf

IMAGE_SIZE = 256
SCENES = ("sky", "foliage", "ground")
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


def draw_background(rng, scene):
    """Draws sky, foliage or ground; returns it and the horizon (0..1)."""
    # Drawn at half size: enlarging it is an out-of-focus blur for nothing.
    size = IMAGE_SIZE // 2
    palette = _PALETTES[scene][rng.integers(len(_PALETTES[scene]))]
    top, bottom = (jitter(rng, colour, 18) for colour in palette)
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
    image = (top * (1 - ramp) + bottom * ramp) + texture[..., None]
    image = np.clip(image, 0, 255).astype(np.uint8)
    layer = image.copy()
    if scene == "sky":
        layer, share = _clouds(rng, layer)
    elif scene == "foliage":
        share = _draw_leaves(rng, layer, bottom)
    else:
        share = _draw_meadow(rng, layer, bottom, horizon * size)
    image = cv2.addWeighted(layer, share, image, 1 - share, 0)
    image = cv2.resize(cv2.blur(image, (3, 3)), (IMAGE_SIZE,) * 2)
    return image, horizon


# Each draws on a layer, and returns the share of it that is visible.


def _clouds(rng, layer):
    for _ in range(rng.integers(1, 5)):
        centre = rng.uniform(0, len(layer), 2)
        for _ in range(rng.integers(4, 9)):
            axes = rng.uniform(5, 15), rng.uniform(3, 8)
            place = centre + rng.normal(0, (14, 4))
            draw(layer, ellipse(place, axes), (246, 246, 246))
    layer = cv2.blur(cv2.blur(layer, (7, 7)), (5, 5))
    return layer, rng.uniform(0.4, 0.85)


def _draw_leaves(rng, layer, bottom):
    for _ in range(rng.integers(14, 34)):
        colour = jitter(rng, bottom * rng.uniform(0.5, 1.35), 26)
        radius = rng.uniform(3, 15)
        place = rng.uniform(0, len(layer), 2)
        axes = radius, radius * rng.uniform(0.7, 1)
        draw(layer, ellipse(place, axes, rng.uniform(0, 180)), colour)
    return rng.uniform(0.35, 0.65)


def _draw_meadow(rng, layer, bottom, line):
    size = len(layer)
    green = jitter(rng, (84, 110, 66), 26)
    for _ in range(rng.integers(2, 8)):
        centre = rng.uniform(0, size), line + rng.uniform(-2, 3)
        axes = rng.uniform(6, 26), rng.uniform(4, 16)
        draw(layer, ellipse(centre, axes), green * rng.uniform(0.7, 1.2))
    ground = [(0, line + 4), (size, line + 3), (size, size), (0, size)]
    draw(layer, ground, bottom * rng.uniform(0.85, 1.05))
    for _ in range(rng.integers(6, 18)):
        centre = rng.uniform(0, size), rng.uniform(line + 6, size)
        axes = rng.uniform(4, 16), rng.uniform(1, 4)
        draw(layer, ellipse(centre, axes), bottom * rng.uniform(0.75, 1.2))
    return 1.0


def draw_plants(rng, image, scene, horizon, palette):
    """Draws grass, and flowers and berries in the colours of a palette."""
    if scene == "ground":
        green = jitter(rng, (96, 120, 60), 30)
        for _ in range(rng.integers(10, 50)):
            foot = rng.uniform((0, min(horizon + 0.15, 0.9)), (1, 1.05))
            foot = foot * IMAGE_SIZE
            tip = foot + (rng.normal(0, 7), -rng.uniform(8, 26))
            draw(image, [foot, tip], green * rng.uniform(0.6, 1.4), 1.5)
    highest = {"sky": 0.75, "foliage": 0.0, "ground": horizon + 0.1}[scene]
    for _ in range(rng.integers(2, 6)):
        centre = rng.uniform((0, highest), 1) * IMAGE_SIZE
        colour = jitter(rng, palette[rng.integers(len(palette))], 20)
        green = jitter(rng, (80, 120, 56), 30)
        for angle in rng.uniform(0, 360, rng.integers(2, 5)):
            draw(image, leaf(centre, rng.uniform(14, 28), angle), green)
        radius = rng.uniform(3, 8)
        if rng.random() < 0.5:
            for angle in np.arange(5) * 72 + rng.uniform(0, 72):
                draw(image, leaf(centre, radius * 2, angle), colour)
            draw(image, ellipse(centre, (radius / 2,) * 2), (250, 220, 90))
        else:
            for berry in centre + rng.normal(0, 6, (rng.integers(1, 5), 2)):
                draw(image, ellipse(berry, (radius * 0.7,) * 2), colour)


def draw_branch(rng, image, feet):
    bark = jitter(rng, (96, 74, 56), 22)
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
        draw(image, [start, tip], bark, width * 0.4)
        for angle in rng.uniform(0, 360, rng.integers(1, 4)):
            draw(
                image,
                leaf(tip, rng.uniform(14, 30), angle),
                jitter(rng, (90, 126, 60), 34),
            )
    draw(image, points, bark * 0.75, width)
    draw(image, points - (0, width * 0.2), bark * 1.15, width * 0.4)

"""Synthetic birds: a drawn data set on which ADL's effect can be seen.

Every image shows one bird on a branch, on the ground or in the sky, drawn
with numpy and OpenCV from a seed.  The ten classes differ in two cues:

*   the crown: the whole head has a vivid colour of its own.  This cue is
    small (about a fifth of the bird) and never lies;
*   the plumage: body, wing bars and tail bands carry a duller colour of the
    class.  This cue is large but weak: it is mixed with a neutral colour,
    and in some images it is that of another class drawn at random.

A classifier trained on image labels alone can live on the crown, and there
its class activation map peaks, so the box of a plain CAM is too small or off
to one side.  ADL hides the strongest cells in training; then the plumage is
what is left to classify by, and the map grows over the body.  Pose, place,
size, light and background are drawn without looking at the class, and the
background holds flowers and berries in the colours of the classes, so that a
very low threshold is no way out.
"""

import cv2
import numpy as np

from adl_tf.datasets.synthetic_birds.anatomy import (
    CLASS_NAMES,
    CROWNS,
    PLUMAGES,
    bird_parts,
)
from adl_tf.datasets.synthetic_birds.scenery import (
    IMAGE_SIZE,
    SCENES,
    draw_background,
    draw_branch,
    draw_plants,
)
from adl_tf.datasets.synthetic_birds.shapes import draw, ellipse, rotate

# Raise it whenever the drawing changes, so that old images are replaced.
VERSION = 1
SPLITS = ("train", "test")
_SUPERSAMPLING = 2


def _paint_bird(rng, image, parts, scale):
    """Paints the parts (in pixels) into the image; returns their mask."""
    corners = np.concatenate([part.points for part in parts])
    left, top = np.maximum(corners.min(0).astype(int) - 5, 0)
    right, bottom = np.minimum(corners.max(0).astype(int) + 6, IMAGE_SIZE)
    region = (slice(top, bottom), slice(left, right))
    canvas = cv2.resize(
        image[region],
        None,
        fx=_SUPERSAMPLING,
        fy=_SUPERSAMPLING,
        interpolation=cv2.INTER_NEAREST,
    )
    silhouette = np.zeros(canvas.shape[:2], np.uint8)
    for part in parts:
        points = (part.points - (left, top)) * _SUPERSAMPLING
        width = part.width * scale * _SUPERSAMPLING
        draw(canvas, points, part.colour, width)
        draw(silhouette, points, (255,), width)
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
    image[region] = np.clip(canvas * light[..., None], 0, 255)
    mask = np.zeros(image.shape[:2], bool)
    mask[region] = cover >= 128
    return mask


def draw_bird(index, label, seed=0, split="train"):
    """Draws one image, which depends on the arguments and nothing else.

    Args:
        index: number of the image within its split.
        label: class, an index into `CLASS_NAMES`.
        seed: seed of the data set.
        split: "train" or "test".

    Returns:
        The image (uint8, RGB, 256 x 256 x 3) and the mask of the bird
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
    scene = SCENES[rng.integers(len(SCENES))]
    image, horizon = draw_background(rng, scene)
    flying = scene == "sky" and rng.random() < 0.6
    parts = bird_parts(rng, label, flying)
    pitch = rng.uniform(-12, 12) if flying else rng.uniform(-32, 6)
    mirror = (rng.choice((-1.0, 1.0)), 1.0)
    parts = [
        part._replace(points=rotate(part.points, pitch) * mirror)
        for part in parts
    ]
    corners = np.concatenate([part.points for part in parts])
    extent = np.ptp(corners, axis=0)
    # The box takes 11 to 30 % of the image.  It lies towards the borders
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
    feet = rotate([(0.05, 0.49)], pitch)[0] * mirror * scale + shift
    draw_plants(rng, image, scene, horizon, CROWNS + PLUMAGES)
    if scene == "ground":
        shadow = image.copy()
        draw(shadow, ellipse(feet, (scale * 0.5, scale * 0.08)), (40, 40, 36))
        image = cv2.addWeighted(shadow, 0.4, image, 0.6, 0)
    elif not flying:
        draw_branch(rng, image, feet)
    mask = _paint_bird(rng, image, parts, scale)
    # Exposure, colour temperature and sensor noise.
    gain = rng.uniform(0.8, 1.15) * rng.uniform(0.95, 1.05, 3)
    table = np.clip((np.arange(256)[:, None] - 6) * gain, 0, 255)
    noise = rng.integers(0, 13, mask.shape, np.uint8)
    image = cv2.add(image, cv2.merge([noise] * 3))
    return cv2.LUT(image, table[:, None].astype(np.uint8)), mask

"""Checks of a data set: every image decoded, every box and mask examined."""

import dataclasses
import functools
import hashlib
import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from adl_tf.datasets.examples import Examples
from adl_tf.datasets.masks import read_mask, union
from adl_tf.errors import DataError
from adl_tf.native_messages import native_messages

# Share of its image below which a box is tiny.
TINY = 0.001
# Images that the threads decode at a time.
_BATCH = 256


@dataclasses.dataclass(frozen=True)
class DecodedImage:
    """Result of decoding an image.

    Attributes:
        size: Width and height in pixels, or `None` if it cannot be decoded.
        error: Why it cannot be decoded, or empty text.
        complaint: Damage that the decoder passed over, or empty text.
        digest: Hash of the pixels.
    """

    size: tuple[int, int] | None = None
    error: str = ""
    complaint: str = ""
    digest: bytes = b""


@dataclasses.dataclass(frozen=True)
class CheckedSplit:
    """A split whose images and masks were all decoded.

    Attributes:
        name: Name of the split.
        examples: `Examples`.
        images: List of n `DecodedImage`.
        bad_masks: List of tuples of the path of a mask and why it cannot be
            decoded.
        odd_masks: Dictionary from a kind to the indices of images with such
            masks.
    """

    name: str
    examples: Examples
    images: list[DecodedImage]
    bad_masks: list[tuple[str, str]]
    odd_masks: dict[str, list[int]] = dataclasses.field(default_factory=dict)

    @property
    def unreadable(self):
        """Tuples of the path of an image and why it cannot be decoded."""
        return self._with_text("error")

    @property
    def damaged(self):
        """Tuples of the path of an image and the damage passed over."""
        return self._with_text("complaint")

    def _with_text(self, attribute):
        texts = [getattr(image, attribute) for image in self.images]
        return [pair for pair in zip(self.examples.paths, texts) if pair[1]]

    @property
    def without_box(self):
        """Indices of images without ground truth, where others have some.

        None if the split has neither boxes nor masks and is not for scoring.
        """
        needed = self.examples.boxes
        if not any(len(each) for each in needed):
            needed = self.examples.masks or ()
        return [place for place, each in enumerate(needed) if not len(each)]

    @property
    def has_fractions(self):
        """Whether all boxes lie within 0 to 1: they are fractions of images."""
        boxes = np.concatenate([np.zeros((0, 4)), *self.examples.boxes])
        return len(boxes) > 0 and np.all((boxes >= 0) & (boxes <= 1))

    @functools.cached_property
    def odd_boxes(self):
        """Dictionary from a kind to the indices of images with such boxes."""
        found = {kind: [] for kind in ODD}
        for place, boxes in enumerate(self.examples.boxes):
            size = self.images[place].size
            annotated = self.examples.sizes
            annotated = size if annotated is None else annotated[place]
            if not len(boxes) or annotated is None:
                continue
            for kind, is_odd in ODD.items():
                if is_odd(boxes, annotated, size):
                    found[kind].append(place)
        return found


def _other_size(_, annotated, size):
    """Whether aspect ratios differ, as those of an image that was turned.

    A difference of one pixel is rounding.
    """
    if size is None:
        return False
    (width, height), (file_width, file_height) = annotated, size
    return abs(width * file_height / file_width - height) > 1


def _tiny(boxes, annotated, _):
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    return np.any(areas < TINY * annotated[0] * annotated[1])


ODD = {
    "a box over the edge": lambda boxes, annotated, _: (
        np.any(boxes[:, :2] < 0) or np.any(boxes[:, 2:] > annotated)
    ),
    "a box wholly outside": lambda boxes, annotated, _: (
        np.any(boxes[:, :2] >= annotated) or np.any(boxes[:, 2:] < 0)
    ),
    "an empty box": lambda boxes, *_: np.any(boxes[:, :2] == boxes[:, 2:]),
    "a tiny box": _tiny,
    "a box given twice": lambda boxes, *_: (
        len(np.unique(boxes, axis=0)) < len(boxes)
    ),
    "a box for an image of another shape": _other_size,
}

# A kind of masks that cannot be scored, and their share of the image.
ODD_MASKS = {"an empty mask": 0, "a mask of all pixels": 1}


def check_split(name, examples, progress):
    """Decodes every image and every mask of a split, on all processors.

    Args:
        name: Name of the split.
        examples: `Examples`.
        progress: Function of an iterable and the number of its items, which
            returns an iterable that shows progress.

    Returns:
        `CheckedSplit`.
    """
    count = len(examples)
    byte_ranges = examples.byte_ranges
    images = [
        *zip(
            examples.paths,
            [None] * count if byte_ranges is None else byte_ranges,
        )
    ]
    with_masks = [place for place in range(count) if examples.mask_files(place)]
    total = count + len(with_masks)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = progress(
            itertools.chain(
                _decode_all(pool, images),
                pool.map(
                    lambda place: _check_masks(examples, place), with_masks
                ),
            ),
            total,
        )
        found = list(found)
    masks = dict(zip(with_masks, found[count:]))
    return CheckedSplit(
        name=name,
        examples=examples,
        images=found[:count],
        bad_masks=sorted(
            {bad for errors, _ in masks.values() for bad in errors}
        ),
        odd_masks={
            kind: [place for place, (_, each) in masks.items() if each == share]
            for kind, share in ODD_MASKS.items()
        },
    )


def _check_masks(examples, place):
    """What is wrong with the masks of an image, and how much they cover.

    Args:
        examples: `Examples`.
        place: Index of the image.

    Returns:
        List of tuples of the path of a mask and why it cannot be decoded, and
        the share of the image that is the object's, `None` if not known.
    """
    objects = examples.masks[place] if examples.masks else ()
    errors, masks = [], []
    for number, source in enumerate(examples.mask_files(place)):
        try:
            mask = read_mask(source)
            if number < len(objects):
                masks.append(mask)
        except DataError as error:
            path = source if isinstance(source, str) else source.path
            reason = str(error).removeprefix(f"mask {path} ")
            errors.append((path, reason.removeprefix("cannot be read: ")))
    share = union(masks).mean() if masks and not errors else None
    return errors, share


def check_all(examples):
    """Checks every split, with progress bars.

    Args:
        examples: Dictionary from the names of splits to `Examples`.

    Returns:
        List of `CheckedSplit`.
    """
    return [
        check_split(
            name,
            split,
            lambda items, count, name=name: tqdm(
                items, f"checking {name}", count, leave=False, disable=None
            ),
        )
        for name, split in examples.items()
    ]


def _decode_all(pool, places):
    for start in range(0, len(places), _BATCH):
        batch = places[start : start + _BATCH]
        with native_messages() as messages:
            decoded = list(pool.map(decode_image, *zip(*batch)))
        if messages:
            decoded = map(_with_complaint, batch, decoded)
        yield from decoded


def _with_complaint(place, image):
    """Decodes an image alone, so that the decoder's messages are about it."""
    if image.error:
        return image
    with native_messages() as messages:
        decode_image(*place)
    return dataclasses.replace(image, complaint="; ".join(messages))


def decode_image(path, byte_range=None):
    """Decodes an image as the pipeline of training does.

    Args:
        path: File that holds it.
        byte_range: Its first byte there and number of bytes, or `None` for the
            whole file.

    Returns:
        `DecodedImage`.
    """
    from adl_tf.datasets.decoding import read_image

    try:
        pixels = read_image(path, byte_range)
    except DataError as error:
        return DecodedImage(error=str(error))
    height, width = pixels.shape[:2]
    digest = hashlib.blake2b(pixels, digest_size=16, salt=b"%d" % width)
    return DecodedImage(size=(width, height), digest=digest.digest())

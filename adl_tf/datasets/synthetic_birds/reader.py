"""Reader of `synthetic_birds`, which are drawn on first use."""

import dataclasses
import json
import os
import pathlib
import tempfile

import cv2
import numpy as np
from tqdm import tqdm

from adl_tf.datasets.metadata import metadata
from adl_tf.datasets.reader import Reader
from adl_tf.datasets.synthetic_birds.bird import CLASS_NAMES, VERSION, draw_bird
from adl_tf.errors import DataError

SPLITS = ("train", "test")
JPEG_QUALITY = 92
METADATA_FILES = (
    "image_ids",
    "class_labels",
    "image_sizes",
    "localization",
    "class_names",
)
_MARKER = "synthetic_birds.json"


def synthetic_birds(data_dir, split):
    """Reads the data set, and draws it first if it is not there.

    Args:
        data_dir: Folder for its 2,000 training and 500 test images, or `None`
            for one in the user's cache.
        split: `"train"` or `"test"`.

    Returns:
        `Examples`.

    Raises:
        DataError: If there is no such split, or the folder holds files that
            were not drawn.
    """
    if split not in SPLITS:
        raise DataError(
            f"synthetic_birds has the splits train and test, not '{split}'"
        )
    data_dir = data_dir or _cache()
    prepare(data_dir)
    examples = metadata(str(data_dir), split)
    if split == "train":
        return examples
    masks = [
        (os.path.join(data_dir, "masks", f"{name.removesuffix('.jpg')}.png"),)
        for name in examples.image_ids
    ]
    return dataclasses.replace(examples, masks=masks)


SYNTHETIC_BIRDS = Reader(
    synthetic_birds, lambda data_dir: SPLITS, needs_folder=False
)


def _cache():
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(root, "adl_tf", "synthetic_birds")


def _write_image(path, image, options=()):
    if not cv2.imwrite(str(path), image, list(options)):
        raise OSError(f"cannot write {path}")


def _write_split(root, split, count, seed, bar):
    (root / split).mkdir()
    if split == "test":
        (root / "masks" / split).mkdir(parents=True)
    metadata = root / "metadata" / split
    metadata.mkdir(parents=True)
    lines = {name: [] for name in METADATA_FILES}
    for index in range(count):
        label = index % len(CLASS_NAMES)
        image, mask = draw_bird(index, label, seed, split)
        name = f"{split}/{index:05d}"
        _write_image(
            root / f"{name}.jpg",
            image[..., ::-1],
            (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY),
        )
        if split == "test":
            _write_image(
                root / "masks" / f"{name}.png", mask.astype(np.uint8) * 255
            )
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        height, width = mask.shape
        lines["image_ids"].append(f"{name}.jpg")
        lines["class_labels"].append(f"{name}.jpg,{label}")
        lines["image_sizes"].append(f"{name}.jpg,{width},{height}")
        lines["localization"].append(
            f"{name}.jpg,{columns[0]},{rows[0]},{columns[-1]},{rows[-1]}"
        )
        bar.update()
    lines["class_names"] = CLASS_NAMES
    for name, content in lines.items():
        (metadata / f"{name}.txt").write_text("\n".join(content) + "\n")


def _is_complete(directory, settings):
    try:
        return json.loads((directory / _MARKER).read_text()) == settings
    except (OSError, ValueError):
        return False


def _refuse_others(directory):
    """Raises `DataError` if somebody else's files would be replaced."""
    if not os.path.lexists(directory):
        return
    known = set(map(pathlib.Path, _drawn(directory)))
    known |= {parent for path in known for parent in path.parents}
    others = [directory]
    if directory.is_dir():
        found = sorted(directory.rglob("*"))
        others = [p for p in found if p.relative_to(directory) not in known]
    if others:
        raise DataError(
            f"{directory} holds no synthetic birds alone, which --dataset is "
            f"unless given: {others[0]} was not drawn. Take another --data_dir "
            "(or --dataset=metadata for images of your own)"
        )


def _drawn(directory):
    """Yields the paths of what an earlier call has drawn into a folder."""
    try:
        settings = json.loads((directory / _MARKER).read_text())
        counts = {split: int(settings[f"num_{split}"]) for split in SPLITS}
    except (OSError, ValueError, TypeError, KeyError):
        return
    yield _MARKER
    for split, count in counts.items():
        yield from (f"metadata/{split}/{name}.txt" for name in METADATA_FILES)
        for index in range(count):
            yield f"{split}/{index:05d}.jpg"
            yield f"masks/{split}/{index:05d}.png"


def prepare(directory, num_train=2000, num_test=500, seed=0):
    """Draws the data set into a directory, unless it is there.

    It writes `train/*.jpg`, `test/*.jpg`, `masks/test/*.png` and, under
    `metadata/<split>/`, the files that `datasets/metadata.py` reads. All of it
    is drawn in a temporary directory beside `directory` and renamed at the
    end, so an interrupted call leaves nothing half-written. Birds drawn by
    another version or with another seed are replaced.

    Args:
        directory: Folder of the data set.
        num_train: Number of training images.
        num_test: Number of test images.
        seed: Integer.

    Returns:
        The directory, as a `pathlib.Path`.

    Raises:
        ValueError: If a number of images is below the number of classes.
        DataError: If the directory holds files that were not drawn.
        OSError: If a file cannot be written.
    """
    if min(num_train, num_test) < len(CLASS_NAMES):
        raise ValueError(
            f"num_train is {num_train} and num_test is {num_test}; each must "
            f"be at least {len(CLASS_NAMES)}, one image a class"
        )
    settings = {
        "version": VERSION,
        "num_train": int(num_train),
        "num_test": int(num_test),
        "seed": int(seed),
    }
    directory = pathlib.Path(directory)
    if _is_complete(directory, settings):
        return directory
    _refuse_others(directory)
    print(
        f"drawing {num_train + num_test:,} birds into {directory}", flush=True
    )
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{directory.name}-", dir=directory.parent
    ) as scratch:
        built = pathlib.Path(scratch, "new")
        built.mkdir()
        with tqdm(
            total=num_train + num_test,
            desc="drawing birds",
            leave=False,
            disable=None,
        ) as bar:
            _write_split(built, "train", num_train, seed, bar)
            _write_split(built, "test", num_test, seed, bar)
        (built / _MARKER).write_text(json.dumps(settings, indent=2) + "\n")
        try:
            if directory.exists():  # of another seed or version, or empty
                os.rename(directory, pathlib.Path(scratch, "old"))
            os.rename(built, directory)
        except OSError:
            # Another process may have put the same data set there meanwhile.
            if not _is_complete(directory, settings):
                raise
    return directory

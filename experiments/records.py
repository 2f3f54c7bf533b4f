"""Trained and scored runs, and the small records that are kept of them.

A record is a work directory without what is large or belongs to one machine:
no checkpoints, no heatmaps, no paths, and boxes at the named thresholds alone.
Whatever reads work directories here reads records as well.
"""

import csv
import dataclasses
import json
import os
import shutil

import numpy as np

from adl_tf.errors import DataError
from adl_tf.files import write_whole, written_whole
from adl_tf.workdir.evaluations import FOLDER, read_evaluations

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
# Keys of metrics.json, and how tables call them.
METRICS = {
    "top1_clas": "Top-1 Clas",
    "gt_known_loc": "GT-known Loc",
    "top1_loc": "Top-1 Loc",
}
THRESHOLDS = {"fixed_tau": "fixed", "val_tau": "val", "best_tau": "best"}
_KEPT_FILES = ("history.csv", "timing.csv", "environment.json")
_KEPT_ARRAYS = (
    "image_ids",
    "labels",
    "class_names",
    "predicted",
    "sizes",
    "ground_truth",
    "ground_truth_counts",
)
_OF_ONE_MACHINE = ("data_dir", "boxes")


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained and scored run.

    Attributes:
        folder: Its work directory or record.
        flags: Dictionary from flags to their values, as text.
        environment: Dictionary of environment.json.
        minutes: Duration of its training.
        evaluations: Dictionary from protocols to tuples of metrics and
            arrays, of the test images.
    """

    folder: str
    flags: dict
    environment: dict
    minutes: float
    evaluations: dict

    @property
    def name(self):
        return os.path.basename(os.path.normpath(self.folder))

    @property
    def seed(self):
        return int(self.flags["seed"])

    @property
    def is_clean(self):
        """Whether a revision names the code that trained it."""
        revision = self.environment.get("revision")
        return bool(revision) and not revision.endswith("-dirty")


def read_run(folder, protocols):
    """Reads a work directory or a record.

    It does not matter under which protocol the run was scored last.

    Args:
        folder: Its path.
        protocols: Names of the protocols under which it has to be scored.

    Returns:
        `Run`.

    Raises:
        DataError: If the run was not trained, was not scored under one of the
            protocols, or has no predictions or boxes.
    """
    archives = {
        name: (found.metrics, found.arrays)
        for name, found in read_evaluations(folder).items()
    }
    with open(_file(folder, "environment.json"), encoding="utf-8") as file:
        environment = json.load(file)
    with open(_file(folder, "timing.csv"), encoding="utf-8") as file:
        seconds = float(list(csv.DictReader(file))[-1]["seconds"])
    return Run(
        folder=folder,
        flags=read_flags(_file(folder, "flags.cfg")),
        environment=environment,
        minutes=seconds / 60,
        evaluations={
            protocol: _evaluation(folder, archives, protocol)
            for protocol in protocols
        },
    )


def read_flags(path):
    """The flags in a flagfile.

    Args:
        path: Of the file.

    Returns:
        Dictionary from names of flags to values, as text.
    """
    with open(path, encoding="utf-8") as file:
        return dict(
            line.strip()[2:].partition("=")[::2]
            for line in file
            if line.startswith("--")
        )


def image_results(run, protocol, threshold):
    """What a run found on each test image.

    Args:
        run: `Run`.
        protocol: Name of a protocol under which it was scored.
        threshold: Key of `THRESHOLDS`.

    Returns:
        `pandas.DataFrame`, a row an image, indexed by image id: `label`,
        `correct` (class), `iou` (of the box and the closest ground truth
        box), `hit` (whether that is enough), `box_area` and `truth_area` in
        pixels of the network's input, `heatmap_share` (of the heatmap that
        reaches the threshold). `None` if the run has no such threshold.
    """
    import pandas as pd

    # Compiled code, for which --help does not wait.
    from adl_tf.localization.boxes import box_iou

    metrics, arrays = run.evaluations[protocol]
    if not metrics.get(threshold):
        return None
    boxes, truths = boxes_and_truths(metrics, arrays, threshold)
    number = _nearest(arrays["thresholds"], metrics[threshold]["tau"])
    overlaps = [box_iou(b[None], t)[0] for b, t in zip(boxes, truths)]
    closest = [each.argmax() if len(each) else 0 for each in overlaps]
    iou = np.array([each.max(initial=0) for each in overlaps])
    nearest_truths = np.array([t[c] for t, c in zip(truths, closest)])
    min_iou = metrics.get("rules", {}).get("min_iou", 0.5)
    return pd.DataFrame(
        {
            "label": arrays["labels"],
            "correct": arrays["predicted"] == arrays["labels"],
            "iou": iou,
            "hit": iou >= min_iou,
            "box_area": _areas(boxes),
            "truth_area": _areas(nearest_truths),
            "heatmap_share": heatmap_shares(metrics, arrays, [number])[:, 0],
        },
        index=pd.Index(arrays["image_ids"], name="image_id"),
    )


def boxes_and_truths(metrics, arrays, threshold):
    """Boxes at a named threshold.

    Args:
        metrics: Dictionary of metrics.json.
        arrays: Dictionary of arrays of the same evaluation.
        threshold: Key of `THRESHOLDS`.

    Returns:
        Tuple of the predicted boxes, int array `(images, 4)`, and a list of
        the ground truth boxes of each image, int arrays `(m, 4)`; in pixels of
        the network's input.
    """
    number = _nearest(arrays["thresholds"], metrics[threshold]["tau"])
    ends = np.cumsum(arrays["ground_truth_counts"])[:-1]
    return _boxes_at(arrays, number)[0], np.split(arrays["ground_truth"], ends)


def keep(run, folder):
    """Writes the record of a run.

    Args:
        run: `Run`.
        folder: Folder to write to; it is made.

    Raises:
        DataError: If the code that trained the run is not that of a revision.
    """
    if not run.is_clean:
        raise DataError(
            f"{run.folder} is not recorded: it was trained by revision "
            f"{run.environment.get('revision')}, not by committed code; commit "
            "and train again"
        )
    os.makedirs(os.path.join(folder, FOLDER), exist_ok=True)
    for name in _KEPT_FILES:
        shutil.copy(_file(run.folder, name), folder)
    write_whole(
        os.path.join(folder, "flags.cfg"), flags_without_paths(run.flags)
    )
    for protocol, (metrics, arrays) in run.evaluations.items():
        path = os.path.join(FOLDER, f"{protocol}-test")
        shutil.copy(
            os.path.join(run.folder, f"{path}.json"),
            os.path.join(folder, f"{path}.json"),
        )
        with (
            written_whole(os.path.join(folder, f"{path}.npz")) as partial,
            open(partial, "wb") as file,
        ):
            np.savez_compressed(file, **_at_named_thresholds(metrics, arrays))


def flags_without_paths(flags):
    """A flagfile that holds on any machine.

    Args:
        flags: Dictionary from flags to values.

    Returns:
        Text. Folders of data are left out, of weight files the name is kept.
    """
    return "".join(
        f"--{name}={os.path.basename(value) if name == 'weights' else value}\n"
        for name, value in flags.items()
        if name not in _OF_ONE_MACHINE
    )


def heatmap_shares(metrics, arrays, numbers):
    """Share of each heatmap that is kept at a threshold.

    Args:
        metrics: Dictionary of metrics.json.
        arrays: Dictionary of arrays of the same evaluation.
        numbers: Positions in its list of thresholds.

    Returns:
        Float array `(images, numbers)`; of records, as it was kept.
    """
    if "heatmap_shares" in arrays:
        return arrays["heatmap_shares"][:, numbers]
    from adl_tf.localization.boxes import cutoffs
    from adl_tf.localization.protocols import PROTOCOLS

    protocol = PROTOCOLS[metrics["protocol"]]
    taus = arrays["thresholds"][numbers]
    shares = np.empty((len(arrays["heatmaps"]), len(taus)))
    for row, heatmap in zip(shares, arrays["heatmaps"]):
        levels = protocol.to_levels(heatmap / np.float32(255))
        kept = levels[..., None] > cutoffs(levels, taus)
        row[:] = kept.mean(axis=(0, 1))
    return shares


def _file(folder, name):
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        raise DataError(f"no {path}: adl_tf.train writes it")
    return path


def _evaluation(folder, archives, protocol):
    name = f"{protocol}-test"
    metrics, arrays = archives.get(name, (None, None))
    if arrays is None:
        others = ", ".join(sorted(archives.keys() - {name}))
        raise DataError(
            f"{folder} was not evaluated under {protocol}"
            + (f", but {others}" if others else "")
            + f": python -m adl_tf.evaluate --workdir={folder} "
            f"--protocol={protocol}"
        )
    if "predicted" not in arrays or metrics["best_tau"] is None:
        lacking = "boxes" if "predicted" in arrays else "predictions"
        raise DataError(f"{folder} was evaluated without {lacking}")
    return metrics, arrays


def _nearest(thresholds, tau):
    return int(np.argmin(np.abs(thresholds - tau)))


def _boxes_at(arrays, number):
    """Boxes `(images, 4)` at a threshold, and which images have one.

    A box holds from its threshold until that of the image's next row.
    """
    rows, count = arrays["boxes"], len(arrays["image_ids"])
    if not len(rows):
        return np.zeros((count, 4), np.int32), np.zeros(count, bool)
    steps = len(arrays["thresholds"])
    keys = rows[:, 0].astype(np.int64) * steps + rows[:, 1]
    every = np.arange(count)
    places = np.searchsorted(keys, every * steps + number, "right") - 1
    there = (places >= 0) & (rows[places, 0] == every)
    return np.where(there[:, None], rows[places, 2:], 0), there


def _areas(boxes):
    # Corners are pixels of the box.
    return (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)


def _at_named_thresholds(metrics, arrays):
    """The arrays of a record."""
    taus = [metrics[name]["tau"] for name in THRESHOLDS if metrics.get(name)]
    numbers = sorted({_nearest(arrays["thresholds"], tau) for tau in taus})
    rows = []
    for place, number in enumerate(numbers):
        boxes, there = _boxes_at(arrays, number)
        images = np.flatnonzero(there)
        columns = np.column_stack([images, np.full(len(images), place)])
        rows.append(np.hstack([columns, boxes[there]]))
    rows = np.concatenate(rows).astype(np.int32)
    return {
        **{name: arrays[name] for name in _KEPT_ARRAYS},
        "thresholds": arrays["thresholds"][numbers],
        "boxes": rows[np.lexsort((rows[:, 1], rows[:, 0]))],
        "heatmap_shares": heatmap_shares(metrics, arrays, numbers).astype(
            np.float16
        ),
    }

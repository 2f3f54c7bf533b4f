"""Trained and scored runs, and the small records that are kept of them.

A record is a work directory without what is large or belongs to one machine:
no checkpoints, no heatmaps, no paths, and boxes at the named thresholds alone.
Code that reads work directories here reads records as well.
"""

import csv
import dataclasses
import json
import os
import shutil

import numpy as np

from adl_tf.errors import DataError
from adl_tf.files import write_whole, written_whole
from adl_tf.workdir.flagfile import read_flags

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
# Keys of metrics.json, and their names in tables.
METRICS = {
    "top1_clas": "Top-1 Clas",
    "gt_known_loc": "GT-known Loc",
    "top1_loc": "Top-1 Loc",
}
THRESHOLDS = {"fixed_tau": "fixed", "val_tau": "val", "best_tau": "best"}
_KEPT_FILES = ("history.csv", "timing.csv", "environment.json")
_LARGE = {"paths", "byte_ranges", "stretches", "heatmaps", "probabilities"}


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained and scored run.

    Attributes:
        folder: Its work directory or record.
        flags: Dictionary from flags to their values, as text.
        environment: Dictionary of environment.json.
        minutes: Duration of its training.
        evaluations: Dictionary from protocols to `Evaluation`, of the test
            images.
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

    Args:
        folder: Its path.
        protocols: Names of the protocols under which it has to be scored; it
            does not matter which was the last.

    Returns:
        `Run`.

    Raises:
        DataError: If the run was not trained, was not scored under one of the
            protocols, or has no predictions or boxes.
    """
    # Compiled code, for which --help does not wait.
    from adl_tf.workdir.evaluations import read_evaluation

    with open(_file(folder, "environment.json"), encoding="utf-8") as file:
        environment = json.load(file)
    with open(_file(folder, "timing.csv"), encoding="utf-8") as file:
        seconds = float(list(csv.DictReader(file))[-1]["seconds"])
    flags = read_flags(_file(folder, "flags.cfg"))
    found = {name: read_evaluation(folder, name) for name in protocols}
    return Run(folder, flags, environment, seconds / 60, found)


def image_results(run, protocol, threshold):
    """Results of a run on each test image.

    Args:
        run: `Run`.
        protocol: Name of a protocol under which it was scored.
        threshold: Key of `THRESHOLDS`.

    Returns:
        `pandas.DataFrame`, a row an image, indexed by image id: `label`,
        `correct` (class), `iou`, `hit` (whether that is enough), `box_area`
        and `truth_area` in pixels of the network's input (of several ground
        truth boxes, the largest), `heatmap_share` (of the heatmap that is kept
        at the threshold). `None` if the run has no such threshold.
    """
    import pandas as pd

    evaluation = run.evaluations[protocol]
    tau = evaluation.tau(threshold)
    if tau is None:
        return None
    arrays = evaluation.arrays
    truths = map(evaluation.ground_truth, range(len(evaluation)))
    number = evaluation.number_of(tau)
    return pd.DataFrame(
        {
            "label": arrays["labels"],
            "correct": evaluation.correct_classes,
            "iou": evaluation.ious_at(tau),
            "hit": evaluation.correct_boxes(tau),
            "box_area": _areas(evaluation.boxes_at(tau)),
            "truth_area": [_areas(each).max() for each in truths],
            "heatmap_share": heatmap_shares(evaluation, [number])[:, 0],
        },
        index=pd.Index(arrays["image_ids"], name="image_id"),
    )


def heatmap_shares(evaluation, numbers):
    """Share of each heatmap that is kept at a threshold.

    Args:
        evaluation: `Evaluation`.
        numbers: Indices of thresholds.

    Returns:
        Float array `(images, numbers)`; of records, as it was kept.
    """
    arrays = evaluation.arrays
    if "heatmap_shares" in arrays:
        return arrays["heatmap_shares"][:, numbers]
    from adl_tf.localization.boxes import cutoffs
    from adl_tf.localization.protocols import PROTOCOLS

    protocol = PROTOCOLS[evaluation.metrics["protocol"]]
    shares = np.empty((len(evaluation), len(numbers)))
    for row, heatmap in zip(shares, arrays["heatmaps"]):
        levels = protocol.to_levels(heatmap / np.float32(255))
        limits = cutoffs(levels, arrays["thresholds"][numbers])
        row[:] = (levels[..., None] > limits).mean(axis=(0, 1))
    return shares


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
    os.makedirs(os.path.join(folder, "evaluations"), exist_ok=True)
    for name in _KEPT_FILES:
        shutil.copy(_file(run.folder, name), folder)
    text = flags_without_paths(run.flags)
    write_whole(os.path.join(folder, "flags.cfg"), text)
    for protocol, evaluation in run.evaluations.items():
        path = os.path.join("evaluations", f"{protocol}-test")
        shutil.copy(
            os.path.join(run.folder, f"{path}.json"),
            os.path.join(folder, f"{path}.json"),
        )
        with (
            written_whole(os.path.join(folder, f"{path}.npz")) as partial,
            open(partial, "wb") as file,
        ):
            np.savez_compressed(file, **_small(evaluation))


def flags_without_paths(flags):
    """A flagfile that holds on any machine: of weights the name alone."""
    return "".join(
        f"--{name}={os.path.basename(value) if name == 'weights' else value}\n"
        for name, value in flags.items()
        if name not in ("data_dir", "boxes")
    )


def _file(folder, name):
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        raise DataError(f"no {path}: adl_tf.train writes it")
    return path


def _areas(boxes):
    # Corners are pixels of the box.
    return (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)


def _small(evaluation):
    """The arrays of a record."""
    arrays = evaluation.arrays
    taus = filter(None, map(evaluation.tau, THRESHOLDS))
    numbers = sorted(set(map(evaluation.number_of, taus)))
    rows = []
    for place, number in enumerate(numbers):
        boxes = evaluation.boxes_at(arrays["thresholds"][number])
        images = np.unique(arrays["boxes"][:, 0])
        columns = np.column_stack([images, np.full(len(images), place)])
        rows.append(np.hstack([columns, boxes[images]]))
    rows = np.concatenate(rows).astype(np.int32)
    shares = heatmap_shares(evaluation, numbers).astype(np.float16)
    return {
        **{name: arrays[name] for name in arrays.keys() - _LARGE},
        "thresholds": arrays["thresholds"][numbers],
        "boxes": rows[np.lexsort((rows[:, 1], rows[:, 0]))],
        "heatmap_shares": shares,
    }


def keep_search(search_dir, folder):
    """Writes the record of a search.

    Args:
        search_dir: Folder that adl_tf.search wrote.
        folder: Folder to write to; it is made.

    Raises:
        DataError: If it is no such folder, or a trial was not made by
            committed code.
    """
    best = os.path.join(search_dir, "best.cfg")
    if not os.path.isfile(best):
        raise DataError(f"no {best}: adl_tf.search writes it")
    trials = [
        name
        for name in sorted(os.listdir(search_dir))
        if os.path.isfile(os.path.join(search_dir, name, "metrics.json"))
    ]
    for trial in trials:
        path = os.path.join(search_dir, trial, "environment.json")
        with open(path, encoding="utf-8") as file:
            revision = json.load(file)["revision"]
        if not revision or revision.endswith("-dirty"):
            raise DataError(
                f"{os.path.join(search_dir, trial)} is not recorded: it was "
                f"trained by revision {revision}, not by committed code"
            )
    for name in trials:
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for each in (*_KEPT_FILES, "metrics.json"):
            path = os.path.join(name, each)
            shutil.copy(
                os.path.join(search_dir, path), os.path.join(folder, path)
            )
        _keep_flags(search_dir, folder, os.path.join(name, "flags.cfg"))
    _keep_flags(search_dir, folder, "best.cfg")
    # With its log, a search can be continued from the record.
    for name in ("trials.csv", "trials.log"):
        shutil.copy(os.path.join(search_dir, name), folder)
    from adl_tf.reporting.trials import write_trials

    write_trials(folder, "top1_loc")


def _keep_flags(search_dir, folder, path):
    flags_there = read_flags(os.path.join(search_dir, path))
    text = flags_without_paths(flags_there)
    write_whole(os.path.join(folder, path), text)

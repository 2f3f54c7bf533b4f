"""What an evaluation answered on each image, read from a work directory."""

import numpy as np

from adl_tf.errors import DataError
from adl_tf.workdir.evaluations import read_archives


def read_evaluation(folder, protocol):
    """Reads what was scored on the test images under a protocol.

    It does not matter under which the run was scored last, which is what
    metrics.json and per_image.jsonl tell of.

    Args:
        folder: Work directory, or --output_dir of adl_tf.evaluate.
        protocol: Name of the protocol.

    Returns:
        Tuple of metrics and arrays, as `read_archives` returns them.

    Raises:
        DataError: If the run was not scored so, or has no class answers or no
            boxes.
    """
    archives = read_archives(folder)
    metrics, arrays = archives.get(f"{protocol}-test", (None, None))
    if arrays is None:
        others = ", ".join(sorted(archives.keys() - {f"{protocol}-test"}))
        raise DataError(
            f"{folder} was not evaluated under {protocol}"
            + (f", but {others}" if others else "")
            + f": python -m adl_tf.evaluate --workdir={folder} "
            f"--protocol={protocol}"
        )
    if "predicted" not in arrays or metrics["best_tau"] is None:
        lacking = "boxes" if "predicted" in arrays else "class answers"
        raise DataError(f"{folder} was evaluated without {lacking}")
    return metrics, arrays


def answers_at(arrays, threshold):
    """The box of each image at a threshold.

    Args:
        arrays: Dictionary of arrays, from `read_evaluation`.
        threshold: Float; the nearest of those that were scored is taken.

    Returns:
        List of dictionaries: `box`, int array `(4,)` in pixels of the
        network's input, `truths`, the true boxes `(m, 4)`, and `iou`, the
        largest intersection over union of the box with one of them.
    """
    number = int(np.argmin(np.abs(arrays["thresholds"] - threshold)))
    every = np.arange(len(arrays["image_ids"]))
    begins = np.searchsorted(arrays["boxes"][:, 0], every)
    ends = np.searchsorted(arrays["boxes"][:, 0], every, side="right")
    truths = np.split(
        arrays["ground_truth"], np.cumsum(arrays["ground_truth_counts"])[:-1]
    )
    return [
        _answer(arrays["boxes"][begin:end], number, true)
        for begin, end, true in zip(begins, ends, truths)
    ]


def _answer(rows, number, truths):
    # Compiled code, for which --help does not wait.
    from adl_tf.localization.boxes import box_iou

    place = np.searchsorted(rows[:, 1], number, side="right") - 1
    box = rows[place, 2:] if len(rows) else np.zeros(4, np.int32)
    iou = float(box_iou(box[None], truths).max()) if len(truths) else 0.0
    return {"box": box, "truths": truths, "iou": iou}

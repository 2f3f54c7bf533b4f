"""Figures 3 and 4: heatmaps and boxes of two runs on the same images."""

import cv2
import numpy as np

from adl_tf.errors import DataError, UsageError
from adl_tf.reporting.gallery import read_image
from experiments.comparison import check_alike
from experiments.panels import GROUND_TRUTH, PREDICTED, Panel, figure
from experiments.records import image_results, read_run

PROTOCOL, THRESHOLD = "adl_cvpr19", "fixed_tau"


def draw_boxes(baseline, workdir, count, losses, chosen=(), colours="viridis"):
    """Images on which two runs differ most, of those both classify right.

    Args:
        baseline: Work directory without ADL.
        workdir: Work directory with ADL.
        count: Number of images, each of another class as far as they go.
        losses: Whether those where the IoU of ADL's box is lower, rather than
            higher.
        chosen: Ids of the images to draw instead.
        colours: Colour map of the heatmaps.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        DataError: If a run was not evaluated, has no images left, or an image
            cannot be read.
        UsageError: If they were evaluated on different images.
    """
    runs = [read_run(each, [PROTOCOL]) for each in (baseline, workdir)]
    check_alike(runs, PROTOCOL)
    for run in runs:
        if "heatmaps" not in run.evaluations[PROTOCOL].arrays:
            raise DataError(
                f"{run.folder} is a record, without heatmaps: figures are "
                "drawn from the work directory"
            )
    found = [image_results(run, PROTOCOL, THRESHOLD) for run in runs]
    if chosen:
        numbers = _numbers_of(chosen, found[0].index)
    else:
        numbers = _most_different(*found, count, losses)
    rows = [
        [panel for run in runs for panel in _panels(run, number)]
        for number in numbers
    ]
    captions = [_caption(runs, found, number) for number in numbers]
    titles = [
        f"{run.name}: {title}"
        for run in runs
        for title in ("image", "heatmap", "overlap")
    ]
    return figure(rows, titles, captions, colours)


def _numbers_of(chosen, image_ids):
    numbers = image_ids.get_indexer(list(chosen))
    for image_id, number in zip(chosen, numbers):
        if number < 0:
            raise UsageError(
                f"--image_ids: no test image '{image_id}'; the first is "
                f"'{image_ids[0]}'"
            )
    return numbers


def _most_different(first, other, count, losses):
    """Numbers of the images on which the IoU changes most, a class each."""
    change = (other.iou - first.iou) * (-1 if losses else 1)
    change = change.where(first.correct & other.correct, 0).to_numpy()
    order = np.argsort(-change, kind="stable")
    order = order[change[order] > 0]
    # The first of each class, in this order.
    _, places = np.unique(first.label.to_numpy()[order], return_index=True)
    numbers = order[np.sort(places)][:count]
    which = "both runs classify right and on which ADL " + (
        "loses IoU" if losses else "gains IoU"
    )
    if not len(numbers):
        raise DataError(f"there is no image that {which}")
    if len(numbers) < count:
        print(
            f"drawn: {len(numbers)} of {count} images, each of another class; "
            f"no other class has an image that {which}"
        )
    return numbers


def _caption(runs, found, number):
    evaluation = runs[0].evaluations[PROTOCOL]
    name = evaluation.class_name(evaluation.arrays["labels"][number])
    ious = ", ".join(
        f"{each.iou.iloc[number]:.2f} {run.name}"
        for run, each in zip(runs, found)
    )
    return (
        f"{name.replace('_', ' ')}: predicted (green) and ground truth box "
        f"(red), IoU {ious}"
    )


def _panels(run, number):
    """The three panels of the paper: boxes, heatmap, and both."""
    evaluation = run.evaluations[PROTOCOL]
    image = _as_input(evaluation, number)
    heatmap = evaluation.arrays["heatmaps"][number] / 255
    box = evaluation.boxes_at(evaluation.tau(THRESHOLD))[number]
    truths = evaluation.ground_truth(number)
    boxes = (*((each, GROUND_TRUTH) for each in truths), (box, PREDICTED))
    return (
        Panel(image, None, boxes),
        Panel(None, heatmap),
        Panel(image, heatmap, boxes),
    )


def _as_input(evaluation, number):
    """What the network saw: the image warped, its centre."""
    path, byte_range = evaluation.source(number)
    image = read_image(path, byte_range)
    if image is None:
        raise DataError(
            f"image {path} is missing or cannot be read; evaluate again"
        )
    side, warped = evaluation.arrays["sizes"].tolist()
    image = cv2.resize(image, (warped, warped), interpolation=cv2.INTER_AREA)
    begin = (warped - side) // 2
    return image[begin : begin + side, begin : begin + side, ::-1]

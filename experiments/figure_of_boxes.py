"""Figures 3 and 4: heatmaps and boxes of two runs on the same images."""

import numpy as np

from adl_tf import drawing
from adl_tf.errors import DataError, UsageError
from adl_tf.reporting.gallery import read_image
from experiments.evaluated import answers_at, read_evaluation
from experiments.figure_grid import SIDE, fitted, grid

PROTOCOL = "adl_cvpr19"
TITLES = ("image", "heatmap", "overlap")


def draw_boxes(baseline, workdir, count, losses):
    """Images on which two runs differ most, of those both classify right.

    Args:
        baseline: Work directory without ADL.
        workdir: Work directory with ADL.
        count: Number of images, each of another class as far as they go.
        losses: Whether those where the overlap of ADL's box with the true one
            is less, rather than more.

    Returns:
        uint8 RGB array.

    Raises:
        DataError: If a run was not evaluated, or has no images left.
        UsageError: If they were evaluated on different images.
    """
    scored = [read_evaluation(each, PROTOCOL) for each in (baseline, workdir)]
    runs = [arrays for _, arrays in scored]
    first, other = runs
    if not np.array_equal(first["image_ids"], other["image_ids"]):
        raise UsageError(
            f"{baseline} and {workdir} were evaluated on different images"
        )
    found = list(
        zip(
            *(
                answers_at(arrays, metrics["fixed_tau"]["tau"])
                for metrics, arrays in scored
            )
        )
    )
    change = np.array([ours["iou"] - theirs["iou"] for theirs, ours in found])
    right = np.all([run["predicted"] == run["labels"] for run in runs], axis=0)
    order = np.argsort(change if losses else -change, kind="stable")
    chosen, classes = [], set()
    for place in order[right[order]]:
        differs = change[place] < 0 if losses else change[place] > 0
        if differs and first["labels"][place] not in classes:
            chosen.append(place)
            classes.add(first["labels"][place])
    if not chosen:
        raise DataError(
            "of the images that both runs classify right, there is none on "
            f"which ADL {'loses' if losses else 'gains'} overlap"
        )
    if len(chosen) < count:
        print(
            f"drawn: {len(chosen)} of {count} images, each of another "
            "class; in no other class is there one that both runs classify "
            "right and on which the box with ADL overlaps the true one "
            f"{'less' if losses else 'more'} than without"
        )
    rows, captions = [], []
    for place in chosen[:count]:
        rows.append(
            [
                panel
                for run, answer in zip(runs, found[place])
                for panel in _panels(run, place, answer)
            ]
        )
        name = first["class_names"][first["labels"][place]].replace("_", " ")
        theirs, ours = (answer["iou"] for answer in found[place])
        captions.append(
            f"{name}: found (green) over true box (red), intersection over "
            f"union {theirs:.2f} without ADL, {ours:.2f} with ADL"
        )
    titles = [
        f"{which} ADL: {title}"
        for which in ("Without", "With")
        for title in TITLES
    ]
    return grid(rows, titles, captions)


def _panels(run, place, answer):
    """The three images of the paper: boxes, heatmap, and both."""
    image = _as_input(run, place)
    heatmap = run["heatmaps"][place] / 255
    blank = np.full_like(image, 255)
    scale = SIDE / int(run["sizes"][0])
    panels = [
        image,
        drawing.overlay_heatmap(blank, heatmap, opacity=1.0),
        drawing.overlay_heatmap(image, heatmap),
    ]
    for number in (0, 2):
        for truth in answer["truths"]:
            panels[number] = drawing.draw_box(
                panels[number], scale * truth, drawing.GROUND_TRUTH
            )
        panels[number] = drawing.draw_box(
            panels[number], scale * answer["box"], drawing.ESTIMATE
        )
    return panels


def _as_input(run, place):
    """What the network saw, larger: the image warped, its centre."""
    path = str(run["paths"][place])
    stretch = run["stretches"][place] if "stretches" in run else None
    image = read_image(path, stretch)
    if image is None:
        raise DataError(
            f"image {path} is missing or cannot be read; evaluate again"
        )
    input_size, resize_size = run["sizes"]
    side = round(SIDE * resize_size / input_size)
    image = fitted(image, side)
    begin = (side - SIDE) // 2
    end = begin + SIDE
    return image[begin:end, begin:end, ::-1]

"""Figures 3 and 4: heatmaps and boxes of two runs on the same pictures."""

import numpy as np

from adl_tf.errors import DataError, UsageError
from adl_tf.reporting import drawing
from adl_tf.reporting.gallery import read_picture
from experiments.evaluated import answers_at, read_evaluation
from experiments.figure_grid import SIDE, fitted, grid

PROTOCOL = "adl_cvpr19"
TITLES = ("picture", "heatmap", "overlap")


def draw_boxes(baseline, workdir, count, losses):
    """Pictures on which two runs differ most, of those both classify right.

    Args:
        baseline: Work directory without ADL.
        workdir: Work directory with ADL.
        count: Number of pictures, each of another class as far as they go.
        losses: Whether those where the overlap of ADL's box with the true one
            is less, rather than more.

    Returns:
        uint8 RGB array.

    Raises:
        DataError: If a run was not evaluated, or has no pictures left.
        UsageError: If they were evaluated on different pictures.
    """
    scored = [read_evaluation(each, PROTOCOL) for each in (baseline, workdir)]
    runs = [arrays for _, arrays in scored]
    first, other = runs
    if not np.array_equal(first["image_ids"], other["image_ids"]):
        raise UsageError(
            f"{baseline} and {workdir} were evaluated on different pictures"
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
            "of the pictures that both runs classify right, there is none on "
            f"which ADL {'loses' if losses else 'gains'} overlap"
        )
    if len(chosen) < count:
        print(
            f"drawn: {len(chosen)} of {count} pictures, each of another "
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
    """The three pictures of the paper: boxes, heatmap, and both."""
    picture = _as_input(run, place)
    heatmap = run["heatmaps"][place] / 255
    blank = np.full_like(picture, 255)
    scale = SIDE / int(run["sizes"][0])
    panels = [
        picture,
        drawing.overlay_heatmap(blank, heatmap, opacity=1.0),
        drawing.overlay_heatmap(picture, heatmap),
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
    """What the network saw, larger: the picture warped, its centre."""
    path = str(run["paths"][place])
    stretch = run["stretches"][place] if "stretches" in run else None
    picture = read_picture(path, stretch)
    if picture is None:
        raise DataError(
            f"picture {path} is missing or cannot be read; evaluate again"
        )
    input_size, resize_size = run["sizes"]
    side = round(SIDE * resize_size / input_size)
    picture = fitted(picture, side)
    begin = (side - SIDE) // 2
    end = begin + SIDE
    return picture[begin:end, begin:end, ::-1]

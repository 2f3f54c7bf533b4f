"""The effect of a method on heatmaps and boxes."""

import numpy as np

from adl_tf.errors import DataError
from experiments.comparison import differences
from experiments.records import image_results
from experiments.scores import as_markdown

_AREAS = {
    "heatmap": "heatmap above the threshold",
    "box": "predicted box",
    "truth": "ground truth box",
}
_BOXES = {"hit": "correct", "small": "too small", "large": "too large"}
_QUARTERS = ("smallest", "small", "large", "largest")


def effect_frame(methods, protocol, threshold):
    """Results of all runs on each image.

    Args:
        methods: Dictionary from names of methods to lists of `Run`.
        protocol: Name of a protocol.
        threshold: Key of `THRESHOLDS`.

    Returns:
        `pandas.DataFrame`, a row for each run and image: `method`, `image_id`,
        `class`, `iou`, `hit`, and `small` or `large` if the box misses and is
        smaller or larger than the ground truth box; the areas `heatmap`, `box`
        and `truth` in percent of the image; `quarter` of the test set that the
        image is in by the size of its ground truth box.

    Raises:
        DataError: If a run has no such threshold.
    """
    import pandas as pd

    frames = []
    for method, run in (
        (m, run) for m, runs in methods.items() for run in runs
    ):
        images = image_results(run, protocol, threshold)
        if images is None:
            raise DataError(f"{run.folder} was evaluated without --val_split")
        evaluation = run.evaluations[protocol]
        scale = 100 / evaluation.arrays["sizes"][0] ** 2
        is_smaller = images.box_area < images.truth_area
        # Equal parts, also of equal areas.
        ranks = images.truth_area.rank(method="first")
        frame = images[["iou", "hit"]].assign(
            method=method,
            small=~images.hit & is_smaller,
            large=~images.hit & ~is_smaller,
            heatmap=100 * images.heatmap_share.astype(float),
            box=scale * images.box_area,
            truth=scale * images.truth_area,
            quarter=pd.qcut(ranks, 4, labels=_QUARTERS).astype(str),
        )
        frame["class"] = [evaluation.class_name(each) for each in images.label]
        frames.append(frame.reset_index())
    return pd.concat(frames, ignore_index=True)


def effect_page(frame, title):
    """Areas, misses, and where boxes are correct, in Markdown.

    Args:
        frame: From `effect_frame`.
        title: Heading of the page.

    Returns:
        Text.
    """
    means = frame.groupby("method", sort=False)[[*_AREAS, *_BOXES]].mean()
    means[list(_BOXES)] *= 100
    gain = (
        ", and its gain over the first method in points with the 95 % interval "
        "(paired bootstrap):"
    )
    parts = [
        f"# {title}",
        "Mean areas in percent of the image; and percent of the images whose "
        "box is correct, and whose box misses and is smaller or larger than "
        "the ground truth box:",
        _as_text(means.rename(columns={**_AREAS, **_BOXES})),
        "GT-known Loc by the size of the ground truth box, a quarter of the "
        "images each" + gain,
        _as_text(gains(frame, "quarter").reindex(_QUARTERS)),
        "GT-known Loc by class" + gain,
        _as_text(gains(frame, "class")),
    ]
    return "\n\n".join(parts) + "\n"


def gains(frame, column):
    """GT-known Loc of parts of the test set.

    Args:
        frame: From `effect_frame`.
        column: `"quarter"` or `"class"`.

    Returns:
        `pandas.DataFrame`, a row a part: `images`, GT-known Loc of each method
        in percent, and of each but the first its gain as text.
    """
    import pandas as pd

    rows = {}
    for part, images in frame.groupby(column, sort=False):
        hits = images.pivot_table("hit", "image_id", "method", sort=False)
        first, *others = hits
        rows[part] = {"images": str(len(hits)), **100 * hits.mean()}
        for other in others:
            found = differences([{0: hits[first]}], [{0: hits[other]}])[0]
            text = "{:+.1f} ({:+.1f} to {:+.1f})".format(*found)
            rows[part][f"gain of {other}"] = text
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(column)


def effect_figure(frame):
    """Histograms of IoU and of areas, and GT-known Loc by the boxes' size.

    Args:
        frame: From `effect_frame`.

    Returns:
        `matplotlib.figure.Figure`.
    """
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    ious, boxes, heatmaps, quarters = drawn.subplots(2, 2).ravel()
    edges = np.arange(-4, 4.1, 1 / 3)
    for method, images in frame.groupby("method", sort=False):
        style = {"histtype": "step", "label": method, "linewidth": 1.5}
        style["weights"] = np.full(len(images), 100 / len(images))
        ious.hist(images.iou, np.linspace(0, 1, 21), **style)
        for axes, area in ((boxes, images.box), (heatmaps, images.heatmap)):
            ratio = np.maximum(area / images.truth, 1e-9)
            axes.hist(np.log2(ratio).clip(-4, 4), edges, **style)
        hits = 100 * images.groupby("quarter").hit.mean().reindex(_QUARTERS)
        quarters.plot(_QUARTERS, hits, "o-", label=method)
    ious.set(xlabel="IoU of the predicted box", ylabel="images, %")
    for axes, what in ((boxes, "predicted box"), (heatmaps, "heatmap kept")):
        label = f"{what} / ground truth box, areas"
        axes.set(xlabel=label, ylabel="images, %")
        axes.set_xticks([-4, -2, 0, 2, 4], ["1/16", "1/4", "1", "4", "16"])
    for axes, value in ((ious, 0.5), (boxes, 0), (heatmaps, 0)):
        axes.axvline(value, color="grey", linewidth=0.8, linestyle=":")
    quarters.set(
        xlabel="images by size of the ground truth box",
        ylabel="GT-known Loc, %",
    )
    quarters.legend(frameon=False)
    return drawn


def _as_text(frame):
    text = frame.map(lambda x: f"{x:.1f}" if isinstance(x, float) else x)
    return as_markdown(text.reset_index())

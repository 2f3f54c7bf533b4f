"""The trials of a search as a table and a plot."""

import csv
import math
import os

from adl_tf.files import write_whole, written_whole

METRICS = ("top1_clas", "gt_known_loc", "top1_loc")


def write_trials(folder, objective):
    """Writes trials.md and trials.png from the trials.csv beside them.

    Args:
        folder: Folder of a search.
        objective: Name of the metric that was searched for.
    """
    path = os.path.join(folder, "trials.csv")
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    lines = [header, ["---"] * len(header), *(map(_short, row) for row in rows)]
    write_whole(
        os.path.join(folder, "trials.md"),
        "".join(f"| {' | '.join(line)} |\n" for line in lines),
    )
    trials = [dict(zip(header, row)) for row in rows]
    trials = sorted(
        (trial for trial in trials if trial[objective]),
        key=lambda trial: trial["folder"],
    )
    if trials:
        with (
            written_whole(os.path.join(folder, "trials.png")) as partial,
            open(partial, "wb") as file,
        ):
            _plot(trials, objective).savefig(file, format="png")


def _short(text):
    """A number with four digits; other text as it is."""
    try:
        return text if text.isdigit() else f"{float(text):.4g}"
    except ValueError:
        return text


def _plot(trials, objective):
    """The objective over the trials, and over each setting that varies."""
    from matplotlib.figure import Figure

    settings = [name for name in trials[0] if name not in ("folder", *METRICS)]
    scores = [float(trial[objective]) for trial in trials]
    best = max(range(len(scores)), key=scores.__getitem__)
    columns = min(3, 1 + len(settings))
    rows = math.ceil((1 + len(settings)) / columns)
    drawn = Figure((3.2 * columns, 2.6 * rows), dpi=150, layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False).ravel()
    numbers = range(1, len(trials) + 1)
    so_far = [max(scores[:number]) for number in numbers]
    axes[0].step(numbers, so_far, where="post", color="grey")
    axes[0].set_xlabel("trial; line: best so far")
    points = [numbers, *(_values(trials, name) for name in settings)]
    for place, name, values in zip(axes, ["", *settings], points):
        place.plot(values, scores, "o", markersize=4)
        place.plot([values[best]], [scores[best]], "o", color="tab:red")
        if name:
            place.set_xlabel(name)
            _scale(place, values)
        place.set_ylabel(objective)
        place.tick_params(labelsize=7)
    for place in axes[1 + len(settings) :]:
        place.set_visible(False)
    return drawn


def _values(trials, name):
    texts = [trial[name] for trial in trials]
    try:
        return [float(text) for text in texts]
    except ValueError:
        return [text.replace(",", ",\n") for text in texts]


def _scale(axes, values):
    numbers = [value for value in values if isinstance(value, float)]
    # Rates are searched over decades.
    if numbers and min(numbers) > 0 and max(numbers) > 5 * min(numbers):
        axes.set_xscale("log")

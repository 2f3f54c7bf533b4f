"""The page of adl_tf.report: one file, which needs no network."""

import os

from adl_tf.files import write_whole
from adl_tf.reporting.curves import line_chart
from adl_tf.reporting.gallery import evaluation_names, gallery
from adl_tf.reporting.pages import page_file, template
from adl_tf.reporting.tables import (
    below_the_middle,
    metric_groups,
    setting_rows,
    stale,
)


def write_report(runs, output_dir):
    """Writes index.html.

    Args:
        runs: List of `Run`; differences are those from the first.
        output_dir: Folder to write to.

    Returns:
        Tuple of the path of the page and the list of paths of the images
        that cannot be read, which are left blank.
    """
    data, unreadable = gallery(runs)
    text = template("report.html").render(
        title=_listed([run.name for run in runs]),
        runs=runs,
        summary=_summary(runs),
        style=page_file("report.css"),
        script=page_file("report.js"),
        evaluations=[_evaluation(runs, n) for n in evaluation_names(runs)],
        history=_history_charts(runs),
        settings=setting_rows(runs),
        data=data,
    )
    os.makedirs(output_dir, exist_ok=True)
    path = os.path.join(output_dir, "index.html")
    write_whole(path, text)
    return path, unreadable


def _listed(names):
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _summary(runs):
    """A sentence a run: what was trained on what."""
    sentences = []
    for run in runs:
        flags = run.settings
        words = []
        if flags:
            words.append(
                f"{flags.get('backbone')} with {flags.get('method')}, trained "
                f"on {flags.get('dataset')}"
            )
        if run.history:
            words.append(f"{run.history[-1]['epoch']:.0f} epochs")
        sentences.append(", ".join(words) or "scored elsewhere")
    return sentences


def _evaluation(runs, name):
    evaluations = [run.evaluations.get(name) for run in runs]
    all_metrics = [each and each.metrics for each in evaluations]
    known = [metrics for metrics in all_metrics if metrics]
    series = [
        (f"run{number} {kind}", list(zip(curve["tau"], curve[key])))
        for number, metrics in enumerate(all_metrics)
        if metrics and (curve := metrics.get("curve"))
        for key, kind in (("gt_known_loc", "box"), ("top1_loc", "class-box"))
        if curve[key]
    ]
    chart = None
    if series:
        chart = line_chart(
            series,
            f"Accuracy of boxes at every threshold, under {name}; the table "
            "holds the highest points",
            "threshold",
            "% of the images",
            y_limits=(0, 100),
            marker=True,
        )
    first = known[0]
    return {
        "name": name,
        "protocol": first["protocol"],
        "split": first.get("split") or "test",
        "dataset": first.get("dataset"),
        "counts": [
            metrics and metrics["num_images"] for metrics in all_metrics
        ],
        "level": first.get("confidence_intervals", {}).get("level"),
        "groups": metric_groups(all_metrics, _num_classes(evaluations)),
        "warnings": [
            sentence
            for run, metrics in zip(runs, all_metrics)
            for sentence in (
                stale(run.name, metrics, run.history),
                below_the_middle(run.name, metrics),
            )
            if sentence
        ],
        "chart": chart,
    }


def _num_classes(evaluations):
    """Number of classes, or `None` where no class was predicted."""
    counts = [
        len(each.arrays["class_names"])
        for each in evaluations
        if each and each.arrays and "predicted" in each.arrays
    ]
    return max(counts, default=None)


def _history_charts(runs):
    """Tuples of a heading and a chart; none without a history."""
    charts = []
    for key, heading, label, limits in (
        ("loss", "Loss", "cross-entropy", None),
        ("accuracy", "Training accuracy", "%", (0, 100)),
    ):
        series = [
            (f"run{number}", [(row["epoch"], row[key]) for row in run.history])
            for number, run in enumerate(runs)
            if run.history
        ]
        if series:
            ends = ", ".join(
                f"{run.name} {run.history[-1][key]:.2f}"
                for run in runs
                if run.history
            )
            charts.append(
                (
                    heading,
                    line_chart(
                        series,
                        f"{heading} over the epochs, at the end {ends}",
                        "epoch",
                        label,
                        y_limits=limits,
                    ),
                )
            )
    return charts

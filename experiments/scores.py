"""The frame of all scores, and frames in Markdown and LaTeX."""

from experiments.records import METRICS, THRESHOLDS


def score_frame(groups):
    """Accuracies of all runs, in one frame.

    Args:
        groups: Dictionary from names (of a row, of a method) to lists of
            `Run`, one a seed.

    Returns:
        `pandas.DataFrame`, a row for each run, protocol and threshold:
        `group`, `run`, `seed`, `protocol`, `threshold` (`fixed`, `val`,
        `best`), `tau`, `top1_clas`, `gt_known_loc`, `top1_loc` (percent),
        `centred_square` (GT-known Loc of the best one), `images`, `epochs`,
        `minutes`, `revision`.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "group": group,
            "run": run.name,
            "seed": run.seed,
            "protocol": protocol,
            "threshold": name,
            "tau": tau,
            **_scores(evaluation.metrics, key),
            "images": len(evaluation),
            "epochs": int(run.flags["epochs"]),
            "minutes": round(run.minutes, 1),
            "revision": run.environment.get("revision"),
        }
        for group, runs in groups.items()
        for run in runs
        for protocol, evaluation in run.evaluations.items()
        for key, name in THRESHOLDS.items()
        if (tau := evaluation.tau(key)) is not None
    )


def printed(scores, groups, protocol):
    """Means and standard deviations over the seeds, as text.

    Args:
        scores: From `score_frame`.
        groups: Names of the groups, in the order of the rows.
        protocol: Which of the protocols.

    Returns:
        `pandas.DataFrame` of text, a row a group: a column for Top-1 Clas,
        one for GT-known and for Top-1 Loc at each threshold, `seeds`,
        `epochs` and `minutes`; empty where a group was not run.
    """
    import pandas as pd

    rows = []
    for group in groups:
        ours = scores[(scores.protocol == protocol) & (scores.group == group)]
        runs = ours.drop_duplicates("run")
        row = {("Top-1 Clas", ""): _mean(runs.top1_clas)}
        for metric in ("gt_known_loc", "top1_loc"):
            for name in THRESHOLDS.values():
                at_threshold = ours[ours.threshold == name]
                row[METRICS[metric], name] = _mean(at_threshold[metric])
        row["seeds", ""] = str(len(runs)) if len(runs) else "not run"
        row["epochs", ""] = "/".join(map(str, sorted(set(runs.epochs))))
        row["minutes", ""] = f"{runs.minutes.mean():.1f}" if len(runs) else ""
        rows.append(row)
    frame = pd.DataFrame(rows, index=list(groups))
    frame.columns = pd.MultiIndex.from_tuples(frame.columns)
    return frame


def as_markdown(frame):
    """A frame of text as a table in Markdown, without its empty columns."""
    frame = _filled(frame)
    headings = [
        column if isinstance(column, str) else ", ".join(filter(None, column))
        for column in frame.columns
    ]
    return frame.set_axis(headings, axis=1).to_markdown(
        index=False, disable_numparse=True
    )


def as_latex(frame, caption):
    """The same in LaTeX, with the rules of booktabs."""
    latex = _filled(frame).to_latex(
        index=False, escape=True, multicolumn_format="c", caption=caption
    )
    # Plain ASCII, for every engine and encoding.
    return latex.replace("±", "$\\pm$")


def _filled(frame):
    return frame.loc[:, (frame != "").any()]


def _scores(metrics, threshold):
    scores = {**metrics, **metrics[threshold]}
    square = (metrics["baselines"] or {}).get("centre", {}).get("gt_known_loc")
    found = {metric: scores[metric] for metric in METRICS}
    return {**found, "centred_square": square}


def _mean(values):
    if not len(values):
        return ""
    deviation = f" ± {values.std():.1f}" if len(values) > 1 else ""
    return f"{values.mean():.1f}{deviation}"

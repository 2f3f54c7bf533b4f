"""A result as a page: scores of groups of runs, and verdicts on claims."""

import os

import numpy as np

from adl_tf.files import write_whole
from experiments.comparison import check_alike, differences, outcomes, verdict
from experiments.records import METRICS, THRESHOLDS
from experiments.scores import as_latex, as_markdown, printed, score_frame

_SCORES = (
    "Percent; means and standard deviations over the seeds. GT-known Loc and "
    "Top-1 Loc are at three thresholds: fixed by the protocol, chosen on "
    "validation images (val), and best for the test images themselves (best, "
    "an oracle)."
)
_CLAIMS = (
    "Held or not held: the difference has one sign for all seeds, and the 95 % "
    "interval of a paired bootstrap over the test images leaves out zero. All "
    "else is within noise. With a single seed the interval does not cover what "
    "other seeds would do."
)


def write_result(folder, name, table, groups, notes=()):
    """Writes NAME.md, NAME.csv and NAME.tex.

    Args:
        folder: Folder to write to; it is made.
        name: Name of the files.
        table: `Table`: which rows and claims.
        groups: Dictionary from the names of its rows to lists of `Run`.
        notes: Further paragraphs.

    Returns:
        Tuple of the page and the list of the paths.

    Raises:
        UsageError: If the runs were evaluated on different images.
    """
    scores = score_frame(groups)
    protocols = list(scores.protocol.unique())
    parts = [f"# {table.title}", table.note, _SCORES]
    for protocol in protocols:
        parts += _section(table, groups, scores, protocol)
    parts += [_CLAIMS] if table.claims else []
    runs = [run for each in groups.values() for run in each]
    parts += [*notes, *dict.fromkeys(machine(run.environment) for run in runs)]
    page = "\n\n".join(filter(None, parts)) + "\n"
    frame = _with_published(table, scores, protocols[0])
    caption = f"{table.title}. Protocol {protocols[0]}."
    texts = {
        ".md": page,
        ".csv": scores.to_csv(index=False),
        ".tex": as_latex(frame, caption),
    }
    os.makedirs(folder, exist_ok=True)
    for ending, text in texts.items():
        write_whole(os.path.join(folder, name + ending), text)
    return page, [os.path.join(folder, name + ending) for ending in texts]


def machine(environment):
    """Versions and machine of a run in a sentence."""
    return (
        f"Python {environment['python']}, TensorFlow "
        f"{environment['tensorflow']}, Keras {environment['keras']}, "
        f"{environment['processor']} with {environment['cores']} cores "
        f"({', '.join(environment['devices'])}), revision "
        f"{environment['revision']}, {environment['started'][:10]}."
    )


def _section(table, groups, scores, protocol):
    """Paragraphs of one protocol."""
    check_alike([run for runs in groups.values() for run in runs], protocol)
    here = scores[scores.protocol == protocol]
    yield f"## Protocol `{protocol}`, {here.images.iloc[0]} test images"
    yield as_markdown(_with_published(table, scores, protocol))
    square = here.centred_square.dropna()
    if len(square):
        yield (
            "The best centred square, the same box for all images and of the "
            "size that is best for the test images, has a GT-known Loc of "
            f"{square.iloc[0]:.1f}."
        )
    if table.claims:
        import pandas as pd

        found = {
            name: {
                run.seed: outcomes(run.evaluations[protocol]) for run in runs
            }
            for name, runs in groups.items()
        }
        yield "Differences in points, with 95 % intervals:"
        yield as_markdown(
            pd.DataFrame(_judged(claim, found) for claim in table.claims)
        )


def _with_published(table, scores, protocol):
    """Our scores, and published ones in the last columns."""
    frame = printed(scores, table.rows.index, protocol)
    frame.insert(0, ("row", ""), table.rows.label)
    if "network" in table.rows:
        frame.insert(0, ("network", ""), table.rows.network)
    for metric in [each for each in METRICS if each in table.rows]:
        frame["paper", METRICS[metric]] = [
            "" if np.isnan(each) else f"{each:.2f}"
            for each in table.rows[metric]
        ]
    return frame


def _judged(claim, found):
    """Cells of a claim: a difference and a verdict for each threshold."""
    above, below = found[claim.above], found[claim.below]
    seeds = sorted(above.keys() & below.keys())
    cells = {
        "claim": claim.text,
        "metric": METRICS[claim.metric],
        "paper": "" if np.isnan(claim.points) else f"{claim.points:+.2f}",
        **dict.fromkeys(THRESHOLDS.values(), ""),
        "seeds": " ".join(map(str, seeds)),
    }
    if not seeds:
        is_run = above and below
        return {**cells, "seeds": "none in common" if is_run else "not run"}
    of_all = differences(
        [below[seed] for seed in seeds], [above[seed] for seed in seeds]
    )
    for threshold, heading in THRESHOLDS.items():
        key = claim.metric, threshold
        if key in of_all:
            each = [above[s][key].mean() - below[s][key].mean() for s in seeds]
            mean, low, high = of_all[key]
            cells[heading] = (
                f"{mean:+.1f} ({low:+.1f} to {high:+.1f}) "
                f"**{verdict(of_all[key], each)}**"
            )
    return cells

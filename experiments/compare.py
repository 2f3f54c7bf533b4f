"""Compares methods over seeds, from the work directories of any number of runs.

    python -m experiments.compare --name=birds --baseline='runs/cam_s*' \\
        --workdirs='runs/adl_s*,runs/has_s*' --effect=best

Runs whose flags differ in the seed alone are one method. The work directories
must have been trained, and evaluated on the same test images, in the same
sizes, under --protocol; it need not be the last under which they were.

Writes NAME.md, .csv and .tex to --results_dir: means and deviations over the
seeds at the threshold that the protocol fixes, at that chosen on validation
images (adl_tf.evaluate --val_split) and at the best one; and how far each
method is from --baseline over the seeds that both have, with the interval in
which the difference lies if the test images are drawn anew (paired bootstrap,
95 %). The record of each run goes to NAME/ beside them. Needs pip install
'adl-tf[experiments]'.
"""

import glob
import os
import re

from absl import flags

from adl_tf import command
from adl_tf.errors import UsageError
from adl_tf.files import write_whole
from adl_tf.registry import PROTOCOLS
from adl_tf.settings import FLAGS
from experiments.records import METRICS, RESULTS, THRESHOLDS, keep, read_run

# Fewer, and a single image or seed moves the result by what methods differ.
ENOUGH_IMAGES, ENOUGH_SEEDS = 200, 3
# Flags that do not make another method of a run.
_OF_RUNS = {"seed", "memory_budget"}.union(
    name for name, flag in FLAGS.items() if flag.may_change or flag.is_path
)

flags.DEFINE_string("name", None, "Name of the result.")
flags.DEFINE_list(
    "baseline",
    None,
    "Work directories of the method that others are compared with; patterns "
    "such as runs/cam_s* will do.",
)
flags.DEFINE_list(
    "workdirs", None, "Work directories of all other runs; or patterns."
)
flags.DEFINE_string("data", "", "What the images are, for the heading.")
flags.DEFINE_enum(
    "protocol",
    "adl_cvpr19",
    tuple(PROTOCOLS),
    "The protocol whose evaluation of each run is read.",
)
flags.DEFINE_enum(
    "effect",
    None,
    ("fixed", "val", "best"),
    "Also write NAME_effect.md and figures: sizes of heatmaps and boxes at "
    "this threshold, boxes too small and too large, and where the gain is.",
)
flags.DEFINE_string(
    "results_dir", None, "Folder to write to [experiments/results]."
)


def main(values):
    for flag in ("name", "workdirs"):
        if not values[flag].value:
            raise UsageError(f"--{flag} is needed")
    command.require_extra("experiments", "pandas", "tabulate", "matplotlib")
    from experiments.page import write_result

    baseline = _read("baseline", values.baseline or [], values.protocol)
    runs = baseline + _read("workdirs", values.workdirs, values.protocol)
    _check_names(runs)
    methods = _grouped(runs)
    if len(_grouped(baseline)) > 1:
        raise UsageError(
            "--baseline: its runs differ in more than the seed: "
            f"{', '.join(_grouped(baseline))}"
        )
    table = _table(values, methods, bool(baseline))
    folder = values.results_dir or RESULTS
    notes = _caution(methods, values.protocol)
    text, paths = write_result(folder, values.name, table, methods, notes)
    path = os.path.join(folder, values.name)
    if values.effect:
        paths += _write_effect(values, methods, path)
    for run in runs:
        if run.is_clean:
            paths.append(os.path.join(path, run.name))
            keep(run, paths[-1])
        else:
            print(f"not recorded: {run.folder} was trained by uncommitted code")
    print(text)
    for path in paths:
        print(f"written: {path}")


def _read(flag, patterns, protocol):
    folders = {}
    for pattern in patterns:
        found = sorted(glob.glob(pattern))
        if not found:
            raise UsageError(f"--{flag}={pattern}: there is no such folder")
        folders.update(dict.fromkeys(found))
    return [read_run(folder, [protocol]) for folder in folders]


def _check_names(runs):
    names = [run.name for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"--baseline, --workdirs: two folders are called {name}, "
                "by which records are kept; name each run once, or rename one"
            )


def _grouped(runs):
    """Dictionary from names of methods to their runs.

    A method is named as its runs are, without the number of the seed.
    """
    groups = {}
    for run in runs:
        names = run.flags.keys() - _OF_RUNS
        key = frozenset((name, run.flags[name]) for name in names)
        groups.setdefault(key, []).append(run)
    named = {}
    for group in groups.values():
        first = group[0]
        name = re.sub(rf"[-_](s|seed)?[-_]?{first.seed}$", "", first.name)
        name = first.name if name in named else name
        named[name] = sorted(group, key=lambda run: run.seed)
        if len({run.seed for run in group}) < len(group):
            raise UsageError(
                f"two runs of {name} have the same flags and seed: "
                f"{', '.join(run.folder for run in named[name])}"
            )
    return named


def _table(values, methods, has_baseline):
    """The methods as rows, and how far each is from the first as claims."""
    import pandas as pd

    from experiments.paper import Claim, Table

    first, *others = methods
    claims = [
        Claim(f"{name} - {first}", name, first, metric)
        for name in others
        for metric in METRICS
        if has_baseline
    ]
    rows = pd.DataFrame({"label": list(methods)}, index=list(methods))
    return Table(values.name, values.data, rows, claims)


def _write_effect(values, methods, path):
    """Writes what the methods do to heatmaps and boxes; returns the paths."""
    from experiments.effect import effect_figure, effect_frame, effect_page
    from experiments.panels import ENDINGS, save

    keys = {name: key for key, name in THRESHOLDS.items()}
    frame = effect_frame(methods, values.protocol, keys[values.effect])
    title = f"{values.name}: {values.protocol}, {values.effect} threshold"
    write_whole(f"{path}_effect.md", effect_page(frame, title))
    drawn = effect_figure(frame)
    for ending in ENDINGS:
        save(drawn, f"{path}_effect{ending}")
    return [f"{path}_effect{ending}" for ending in (".md", *ENDINGS)]


def _caution(methods, protocol):
    """A sentence that says how little differences are worth, or none."""
    images = len(next(iter(methods.values()))[0].evaluations[protocol])
    seeds = min(map(len, methods.values()))
    few = []
    if seeds < ENOUGH_SEEDS:
        few.append(f"{seeds} seed{'s' * (seeds > 1)} a method")
    if images < ENOUGH_IMAGES:
        few.append(f"{images} test images")
    return few and [
        f"Caution: {' and '.join(few)} are few. Differences may be chance: "
        f"take {ENOUGH_SEEDS} seeds and {ENOUGH_IMAGES} images or more."
    ]


if __name__ == "__main__":
    command.run(
        main,
        "experiments.compare",
        tuple(
            "name baseline workdirs data protocol effect results_dir".split()
        ),
    )

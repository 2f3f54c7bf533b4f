"""Searches for settings of a method: trials, scored on validation images.

    python -m adl_tf.search \\
        --flagfile=experiments/search/mobilenet_v1_adl.cfg \\
        --flagfile=experiments/search/cub25.cfg --data_dir=CUB_200_2011 \\
        --trials=30 --output_dir=runs/search_adl

Each trial trains with the settings of the flagfile, of which --vary changes
some, and is scored on --val_split at the threshold that is best there. The
first trial is the flagfile as it is. All trials have a folder of their own in
--output_dir, a work directory. trials.csv lists them; best.cfg has the flags of
the best one. The same command goes on where it was interrupted, and adds trials
where --trials is raised. The test split is never read.

Trials are chosen by Optuna (pip install 'adl-tf[search]').
"""

import csv
import io
import json
import os
import re
import subprocess
import sys

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import AdlTfError, UsageError
from adl_tf.files import write_whole
from adl_tf.flag_text import as_text
from adl_tf.registry import PROTOCOLS

absl_flags.DEFINE_multi_string(
    "vary",
    None,
    "A setting to search over, once for each: NAME=LOW..HIGH draws a number, "
    "NAME=LOW..HIGH:log one whose logarithm is uniform (whole numbers where "
    "both ends are), NAME=A|B|C one of the values.",
)
absl_flags.DEFINE_integer("trials", 30, "Number of trials in all.", 1)
absl_flags.DEFINE_string(
    "val_split", None, "Split that trials are scored on, such as train-val10."
)
absl_flags.DEFINE_enum(
    "objective",
    "top1_loc",
    ("top1_loc", "gt_known_loc", "top1_clas"),
    "The metric that the best trial has most of.",
)
absl_flags.DEFINE_enum(
    "protocol", "adl_cvpr19", tuple(PROTOCOLS), "The rules of the scoring."
)
absl_flags.DEFINE_string("output_dir", None, "Folder to write to.")

METRICS = ("top1_clas", "gt_known_loc", "top1_loc")


def main(values):
    for name in ("vary", "val_split", "output_dir"):
        if not values[name].value:
            raise UsageError(f"--{name} is needed (--help says what it is)")
    if values.train_split == values.val_split:
        raise UsageError("--train_split and --val_split must differ")
    space = dict(_parse_range(text, values) for text in values.vary)
    settings = flags.settings(values)
    study = _study(values, space, settings)
    os.makedirs(values.output_dir, exist_ok=True)
    settings = settings.as_flagfile()
    while (number := len(_completed(study))) < values.trials:
        study.sampler = _sampler(values.seed + len(study.trials))
        trial = study.ask(space)
        print(f"\n== trial {number + 1} of {values.trials}: {trial.params}")
        metrics = _run(values, settings, trial)
        for name in METRICS:
            trial.set_user_attr(name, metrics[name])
        study.tell(trial, metrics[values.objective])
        _write(values.output_dir, settings, study)
    _write(values.output_dir, settings, study)
    best = study.best_trial
    print(
        f"best of {len(_completed(study))} trials: {best.value:.1f} "
        f"{values.objective}, {best.params}\n"
        f"written: {os.path.join(values.output_dir, 'best.cfg')}"
    )


def _parse_range(text, values):
    """Name of a setting and the Optuna distribution that --vary gives it."""
    from optuna import distributions

    name, equals, domain = text.partition("=")
    if not equals or name not in flags.RUN_NAMES:
        raise UsageError(f"--vary={text}: NAME=... with a flag of adl_tf.train")
    span = re.fullmatch(r"([^.|]+\.?[^.|]*)\.\.([^|:]+)(:log)?", domain)
    if not span:
        return name, distributions.CategoricalDistribution(domain.split("|"))
    is_whole = values[name].flag_type() == "int"
    kind = (
        distributions.IntDistribution
        if is_whole
        else distributions.FloatDistribution
    )
    try:
        low, high = map(int if is_whole else float, span.groups()[:2])
        return name, kind(low, high, log=bool(span[3]))
    except ValueError as error:
        raise UsageError(f"--vary={text}: {error}") from error


def _study(values, space, settings):
    """The Optuna study of the folder, made if there is none."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    os.makedirs(values.output_dir, exist_ok=True)
    backend = optuna.storages.journal.JournalFileBackend(
        os.path.join(values.output_dir, "trials.log")
    )
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(backend),
        study_name="search",
        direction="maximize",
        load_if_exists=True,
    )
    for trial in study.trials:
        # Interrupted: the same folder goes on from its checkpoint.
        if trial.state == optuna.trial.TrialState.RUNNING:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params, {"folder": _folder(trial)})
    if not study.trials:
        study.enqueue_trial(_as_given(settings, space))
    return study


def _sampler(seed):
    import optuna

    return optuna.samplers.TPESampler(n_startup_trials=5, seed=seed)


def _as_given(settings, space):
    """The flagfile's own values of what is varied, for the first trial."""
    given = {}
    for name, distribution in space.items():
        value = getattr(settings, name)
        if value is not None and hasattr(distribution, "choices"):
            value = as_text(value)
        if not distribution._contains(
            distribution.to_internal_repr(value)
            if value is not None
            else float("nan")
        ):
            raise UsageError(
                f"--{name}={value} is not within its --vary: the first trial "
                "has the values of the flagfile"
            )
        given[name] = value
    return given


def _folder(trial):
    return trial.user_attrs.get("folder", f"{trial.number:04d}")


def _completed(study):
    return [trial for trial in study.trials if trial.value is not None]


def _run(values, settings, trial):
    """Trains and scores a trial in its folder; returns its metrics."""
    workdir = os.path.join(values.output_dir, _folder(trial))
    os.makedirs(workdir, exist_ok=True)
    flagfile = os.path.join(workdir, "trial.cfg")
    write_whole(flagfile, settings + _as_flags(trial.params))
    _command("adl_tf.train", f"--flagfile={flagfile}", f"--workdir={workdir}")
    _command(
        "adl_tf.evaluate",
        f"--workdir={workdir}",
        f"--split={values.val_split}",
        f"--protocol={values.protocol}",
    )
    path = os.path.join(workdir, "metrics.json")
    with open(path, encoding="utf-8") as file:
        metrics = json.load(file)
    best = metrics["best_tau"]
    return {name: {**metrics, **best}[name] for name in METRICS}


def _as_flags(params):
    return "".join(f"--{name}={value}\n" for name, value in params.items())


def _command(module, *arguments):
    done = subprocess.run([sys.executable, "-m", module, *arguments])
    if done.returncode:
        raise AdlTfError(
            f"{module} failed with status {done.returncode}, for the reason "
            "above; the same command goes on with this trial"
        )


def _write(output_dir, settings, study):
    """Writes trials.csv, best first, and best.cfg."""
    trials = sorted(_completed(study), key=lambda trial: -trial.value)
    if not trials:
        return
    names = list(trials[0].params)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["folder", *names, *METRICS])
    for trial in trials:
        writer.writerow(
            [
                _folder(trial),
                *(trial.params[name] for name in names),
                *(trial.user_attrs[name] for name in METRICS),
            ]
        )
    write_whole(os.path.join(output_dir, "trials.csv"), text.getvalue())
    write_whole(
        os.path.join(output_dir, "best.cfg"),
        settings + _as_flags(trials[0].params),
    )


if __name__ == "__main__":
    command.run(
        main,
        "adl_tf.search",
        (
            "vary",
            "trials",
            "val_split",
            "objective",
            "protocol",
            "output_dir",
            *flags.RUN_NAMES,
        ),
    )

"""Searches for the settings of a method: trials, scored on validation images.

    python -m adl_tf.search \\
        --flagfile=experiments/search/mobilenet_v1_adl.cfg \\
        --flagfile=experiments/search/cub25.cfg --data_dir=CUB_200_2011 \\
        --trials=30 --output_dir=runs/search_adl

Each trial trains with the settings of the flagfile, some of which --vary
changes, and is scored on --val_split at the threshold that is best there. The
first trial has the settings of the flagfile as they are; Optuna chooses the
others. The test split is never read.

Each trial is a work directory in --output_dir. trials.csv and trials.md list
them, trials.png plots them, and best.cfg has the flags of the best one. The
same command continues after an interruption, from the last checkpoint of the
trial; a larger --trials adds trials. Needs pip install 'adl-tf[search]'.
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
from adl_tf.errors import AdlTfError, Diverged, UsageError
from adl_tf.files import write_whole
from adl_tf.locks import locked
from adl_tf.registry import PROTOCOLS
from adl_tf.reporting.trials import METRICS, write_trials

absl_flags.DEFINE_multi_string(
    "vary",
    None,
    "A setting to search over; may be repeated. NAME=LOW..HIGH draws a number "
    "(a whole one where the flag takes these), NAME=LOW..HIGH:log one whose "
    "logarithm is uniform, NAME=A|B|C one of the values.",
)
absl_flags.DEFINE_integer(
    "trials", 30, "Number of trials, finished ones included.", 1
)
absl_flags.DEFINE_string(
    "val_split", None, "Split that trials are scored on, such as train-val10."
)
absl_flags.DEFINE_enum(
    "objective",
    "top1_loc",
    ("top1_loc", "gt_known_loc", "top1_clas"),
    "The metric by which trials are chosen.",
)
absl_flags.DEFINE_enum(
    "protocol", "adl_cvpr19", tuple(PROTOCOLS), "The rules of the scoring."
)
absl_flags.DEFINE_string("output_dir", None, "Folder to write to.")


def main(values):
    for name in ("vary", "val_split", "output_dir"):
        if not values[name].value:
            raise UsageError(f"--{name} is needed (--help describes it)")
    if values.train_split == values.val_split:
        raise UsageError("--train_split and --val_split must differ")
    command.require_extra("search", "optuna", "matplotlib")
    space = dict(_parse_range(text, values) for text in values.vary)
    folder = values.output_dir
    with locked(folder, f"--output_dir={folder}", "search.lock"):
        _search(values, space)


def _search(values, space):
    settings = flags.settings(values).as_flagfile()
    study = _study(values, space, settings)
    while (number := len(_finished(study))) < values.trials:
        study.sampler = _sampler(values.seed + len(study.trials))
        trial = study.ask(space)
        print(f"\n== trial {number + 1} of {values.trials}: {trial.params}")
        try:
            metrics = _run(values, settings, trial)
        except Diverged as error:
            # The lowest score, from which later trials learn.
            print(f"trial {number + 1}: {error}")
            study.tell(trial, 0.0)
        else:
            for name in METRICS:
                trial.set_user_attr(name, metrics[name])
            study.tell(trial, metrics[values.objective])
        _write(values, settings, study)
    best = study.best_trial
    print(
        f"best of {len(_finished(study))} trials: {best.value:.1f} "
        f"{values.objective}, {best.params}\n"
        f"written: {os.path.join(values.output_dir, 'best.cfg')}"
    )


def _parse_range(text, values):
    """Name of a setting and the Optuna distribution that --vary gives it."""
    from optuna import distributions

    name, equals, domain = text.partition("=")
    if not equals or name not in flags.RUN_NAMES:
        raise UsageError(f"--vary={text}: NAME=... with a flag of adl_tf.train")
    span = re.fullmatch(r"([^|]+?)\.\.([^|:]+)(:log)?", domain)
    try:
        if span:
            is_whole = values[name].flag_type() == "int"
            low, high = map(int if is_whole else float, span.groups()[:2])
            kind = "IntDistribution" if is_whole else "FloatDistribution"
            make = getattr(distributions, kind)
            return name, make(low, high, log=bool(span[3]))
        choices = domain.split("|")
        for choice in choices:
            values[name].parser.parse(choice)
    except ValueError as error:
        raise UsageError(f"--vary={text}: {error}") from error
    if len(choices) == 1:
        raise UsageError(f"--vary={text}: LOW..HIGH, or values A|B|C")
    return name, distributions.CategoricalDistribution(choices)


def _study(values, space, settings):
    """The Optuna study of the folder, made if there is none.

    Raises:
        UsageError: If the folder holds another search.
    """
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
    search = _description(values, settings)
    if study.user_attrs.get("search", search) != search:
        raise UsageError(
            f"--output_dir={values.output_dir} holds a search with other "
            "settings: take another folder, or the same flags to continue it"
        )
    study.set_user_attr("search", search)
    for trial in study.trials:
        # Interrupted: the same folder goes on from its checkpoint.
        if trial.state == optuna.trial.TrialState.RUNNING:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params, {"folder": _folder(trial)})
    if not study.trials:
        study.enqueue_trial(_as_given(values, space))
    return study


def _description(values, settings):
    """What makes two searches the same: all but paths and --trials."""
    lines = [
        line
        for line in settings.splitlines()
        if not line.startswith(("--data_dir=", "--weights=/", "--strategy="))
    ]
    names = ("val_split", "objective", "protocol")
    lines += [f"--{name}={values[name].value}" for name in names]
    return "\n".join([*lines, *values.vary])


def _sampler(seed):
    import optuna

    return optuna.samplers.TPESampler(n_startup_trials=5, seed=seed)


def _as_given(values, space):
    """The flagfile's own values of what is varied, for the first trial."""
    given = {}
    for name, distribution in space.items():
        value, parse = values[name].value, values[name].parser.parse
        # A choice is the text of a value: 1e-4 is 0.0001.
        choices = getattr(distribution, "choices", None)
        if choices:
            fitting = [each for each in choices if parse(each) == value]
        else:
            is_within = value is not None and (
                distribution.low <= value <= distribution.high
            )
            fitting = [value] if is_within else []
        if not fitting:
            raise UsageError(
                f"--{name}={value} is not within its --vary: the first trial "
                "has the values of the flagfile"
            )
        given[name] = fitting[0]
    return given


def _folder(trial):
    return trial.user_attrs.get("folder", f"{trial.number:04d}")


def _finished(study):
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
    if done.returncode == Diverged.status:
        raise Diverged("its loss became NaN or infinite; it counts as 0")
    if done.returncode:
        raise AdlTfError(
            f"{module} failed with status {done.returncode}, for the reason "
            "above; the same command continues with this trial"
        )


def _write(values, settings, study):
    """Writes the list of the trials, the best one first, and best.cfg."""
    trials = sorted(_finished(study), key=lambda trial: -trial.value)
    names = list(trials[0].params)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["folder", *names, *METRICS])
    for trial in trials:
        params = [trial.params[name] for name in names]
        metrics = [trial.user_attrs.get(name, "") for name in METRICS]
        writer.writerow([_folder(trial), *params, *metrics])
    folder = values.output_dir
    write_whole(os.path.join(folder, "trials.csv"), text.getvalue())
    best = settings + _as_flags(trials[0].params)
    write_whole(os.path.join(folder, "best.cfg"), best)
    write_trials(folder, values.objective)


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

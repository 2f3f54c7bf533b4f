"""A work directory as version 0.1.0 left it: scored, reported, exported."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from adl_tf import evaluate
from adl_tf.exported.writing import export
from adl_tf.flags import read_flagfile
from adl_tf.reporting.report import write_report
from adl_tf.workdir.evaluations import read_evaluations
from adl_tf.workdir.reading import read_runs
from adl_tf.workdir.trained import class_names, load_trained
from tests.in_process import call

# Settings that 0.1.0 did not have, and so did not write.
ADDED_SINCE = ("warp", "bias_learning_rate_ratio", "weight_decay_on")


@pytest.mark.slow
def test_the_whole_way(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.workdir, run)
    flagfile = run / "flags.cfg"
    lines = flagfile.read_text().splitlines()
    kept = [
        line
        for line in lines
        if line.partition("=")[0].removeprefix("--") not in ADDED_SINCE
    ]
    assert len(lines) - len(kept) == len(ADDED_SINCE)
    # It wrote the defaults of methods that were not trained, too.
    flagfile.write_text("\n".join([*kept, "--has_patch_size=32", ""]))
    call(evaluate, f"--workdir={run}", from_workdir=True)
    metrics = json.loads((run / "metrics.json").read_text())
    _as_npz(run)
    path, _ = write_report(read_runs([str(run)]), str(tmp_path / "report"))
    with open(path, encoding="utf-8") as file:
        page = file.read()
    assert f"{metrics['top1_clas']:.1f}" in page
    settings = dataclasses.replace(
        read_flagfile(str(flagfile)), workdir=str(run)
    )
    saved = str(tmp_path / "saved")
    export(load_trained(settings), saved, class_names(settings), settings)
    about = json.loads(
        (tmp_path / "saved" / "assets.extra" / "localization.json").read_text()
    )
    assert about["threshold"] == metrics["best_tau"]["tau"]
    call(
        evaluate,
        f"--saved_model={tmp_path}/saved",
        f"--flagfile={flagfile}",
        f"--output_dir={tmp_path}/scores",
        from_workdir=True,
    )
    again = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert again["top1_clas"] == metrics["top1_clas"]


def _as_npz(run):
    """Keeps the evaluation in the file that 0.1.0 wrote, and no other."""
    ((name, evaluation),) = read_evaluations(str(run)).items()
    arrays = dict(evaluation.arrays)
    for path in (run / "evaluations").glob("*.h5"):
        path.unlink()
    np.savez_compressed(run / "evaluations" / f"{name}.npz", **arrays)

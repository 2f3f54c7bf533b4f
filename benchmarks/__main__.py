"""Everything that is claimed of speed and memory, measured on this machine.

    python -m benchmarks --data_dir=CUB_200_2011 --workdir=runs/cub25

Runs every benchmark that has a target, one after the other, and prints one
table: ours beside the target. --data_dir is CUB-200-2011 and --workdir a run of
adl_tf.train on it, whose network is evaluated. Takes about an hour, on a
machine that does nothing else.
"""

import datetime
import glob
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError
from benchmarks.timing import machine

absl_flags.DEFINE_list(
    "only", None, "Benchmarks to run, such as training_step; all without."
)

HEAD = """\
| what | against | target | measured | met |
| --- | --- | --- | --- | --- |"""
# With as many images in a step as take about as long.
BACKBONES = {"mobilenet_v1": 32, "resnet50": 16, "vgg_gap": 8}
PACKAGES = ("tensorflow", "keras", "torch", "numpy", "opencv-python", "numba")


def main(values):
    settings = flags.settings(values)
    for name in ("data_dir", "workdir"):
        if not os.path.isdir(getattr(settings, name) or ""):
            raise UsageError(f"--{name} must be a folder; --help says of what")
    with tempfile.TemporaryDirectory() as folder:
        runs = _runs(settings.data_dir, settings.workdir, folder)
        if unknown := set(values.only or ()) - {run[0] for run in runs}:
            raise UsageError(f"--only: there is no {', '.join(unknown)}")
        rows = []
        for module, *arguments in runs:
            if module not in (values.only or [module]):
                continue
            if module == "evaluator":
                _save_heatmaps(settings, folder)
            rows += _rows(module, arguments)
    print(f"\n{datetime.date.today():%-d %B %Y}; {machine()}; {_versions()}\n")
    print("\n".join([HEAD, *rows]))


def _runs(data_dir, workdir, folder):
    """Names of benchmarks and their flags, in order."""
    images = os.path.join(data_dir, "images", "*", "*_000*.jpg")
    if not glob.glob(images):
        raise UsageError(f"--data_dir: no images such as {images}")
    data = ("--dataset=cub", f"--data_dir={data_dir}")
    step = "training_step"
    return (
        *(
            (step, f"--backbones={backbone}", f"--batch_size={size}")
            for backbone, size in BACKBONES.items()
        ),
        ("training_loop",),
        (
            *("evaluator", f"--workdir={workdir}"),
            f"--heatmaps={folder}/heatmaps",
        ),
        ("savedmodel", f"--images={images}"),
        ("input_pipeline", *data),
        ("startup", "--starts=0"),
        *(
            (
                *("startup", "--rounds=0", *data, "--weights=none"),
                *("--method=adl", f"--backbone={backbone}"),
            )
            for backbone in BACKBONES
        ),
        ("evaluation_memory",),
    )


def _save_heatmaps(settings, folder):
    subprocess.run(
        [
            *(sys.executable, "-m", "adl_tf.evaluate"),
            f"--workdir={settings.workdir}",
            f"--data_dir={settings.data_dir}",
            f"--output_dir={folder}/scores",
            f"--save_heatmaps={folder}/heatmaps",
        ],
        check=True,
    )


def _rows(module, arguments):
    """Runs a benchmark, showing what it prints; returns its rows."""
    print(
        f"\n== python -m benchmarks.{module} {' '.join(arguments)}", flush=True
    )
    rows = []
    with subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("| "):
                rows.append(line.rstrip())
    if process.returncode:
        rows.append(f"| {module} | | | failed | **no** |")
    return rows


def _versions():
    """Python's, and those of packages that matter and are there."""
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    return ", ".join(found)


if __name__ == "__main__":
    command.run(main, "benchmarks", ("data_dir", "workdir", "only"))

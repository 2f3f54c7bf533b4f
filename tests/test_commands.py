"""Every command as a user types it, up to where TensorFlow would be loaded."""

import hashlib
import pathlib
import subprocess
import sys

import pytest

from adl_tf import flags, registry

COMMANDS = (
    "search",
    "train",
    "evaluate",
    "export",
    "predict",
    "models",
    "report",
    "datasets",
)


def run(command, *arguments):
    return subprocess.run(
        [sys.executable, "-m", f"adl_tf.{command}", *arguments],
        capture_output=True,
        text=True,
    )


def assert_one_line(result, status, *words):
    assert result.returncode == status, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command):
    result = run(command, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(
        (
            "Searches",
            "Trains",
            "Scores",
            "Exports",
            "Localises",
            "Lists",
            "Shows",
            "Checks",
        )
    )
    assert f"python -m adl_tf.{command}" in result.stdout
    assert not result.stderr


def every_command():
    """Modules that start as commands do, with their folders' own."""
    root = pathlib.Path(flags.__file__).parents[1]
    for folder in ("adl_tf", "experiments", "benchmarks"):
        for path in sorted((root / folder).rglob("*.py")):
            if 'if __name__ == "__main__":' in path.read_text():
                parts = path.relative_to(root).with_suffix("").parts
                yield ".".join(parts).removesuffix(".__main__")


HEAVY = {"tensorflow", "keras", "torch", "jax", "numba", "cv2", "matplotlib"}
HEAVY |= {"optuna", "pandas"}


@pytest.mark.parametrize("module", list(every_command()))
def test_help_loads_nothing_heavy(module):
    result = subprocess.run(
        [sys.executable, "-Ximporttime", "-m", module, "--help"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert f"python -m {module}" in result.stdout
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in result.stderr.splitlines()
    }
    assert "subprocess" in imported or "absl" in imported
    # Our own commands, which users wait for, do without NumPy too.
    heavy = HEAVY | {"numpy"} if module.startswith("adl_tf.") else HEAVY
    assert not heavy & imported


@pytest.mark.parametrize(
    ("flag", "valid"),
    [
        ("dataset", registry.DATASETS),
        ("backbone", registry.BACKBONES),
        ("method", registry.METHODS),
        ("schedule", ("cosine", "step")),
        ("strategy", ("auto", "one_device", "mirrored", "multi_worker")),
    ],
)
def test_unknown_value_lists_the_valid_ones(flag, valid):
    assert_one_line(run("train", f"--{flag}=nonsense"), 2, flag, *valid)


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("train", [], ["--workdir is needed"]),
        ("train", ["--nonsense=1"], ["nonsense"]),
        ("train", ["nonsense"], ["'nonsense' is not a flag"]),
        ("train", ["--epochs=many"], ["epochs"]),
        ("train", ["--epochs=-1"], ["epochs"]),
        ("train", ["--flagfile=/nowhere.cfg"], ["/nowhere.cfg"]),
        ("evaluate", [], ["--workdir, --saved_model and --heatmaps is neede"]),
        (
            "evaluate",
            ["--saved_model=a", "--heatmaps=b"],
            ["not --saved_model and --heatmaps"],
        ),
        ("evaluate", ["--heatmaps=a"], ["--heatmaps needs --output_dir"]),
        ("evaluate", ["--workdir=/nowhere"], ["/nowhere", "flags.cfg"]),
        (
            "evaluate",
            ["--saved_model=.", "--output_dir=o"],
            ["--saved_model needs --dataset"],
        ),
        ("evaluate", ["--protocol=x"], ["adl_cvpr19", "wsoleval_cvpr20"]),
        ("export", ["--workdir=/nowhere"], ["/nowhere"]),
        ("predict", ["--images=x.jpg"], ["--saved_model is needed"]),
        ("report", [], ["--workdir is needed"]),
        ("datasets", [], ["--check or --show=FILE.html is needed"]),
        ("datasets", ["--check", "--splits=a,a"], ["a,a names a split twice"]),
        ("report", ["--workdir=/nowhere"], ["/nowhere is not a folder"]),
    ],
)
def test_bad_usage(command, arguments, words):
    assert_one_line(run(command, *arguments), 2, *words)


def test_output_that_nobody_reads_to_its_end():
    process = subprocess.Popen(
        [sys.executable, "-m", "adl_tf.train", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141  # as of other programs


def write_checkpoint(folder):
    """One that is whole, of no network."""
    folder.mkdir(parents=True)
    names = ("model.weights.h5", "training.npz")
    for name in names:
        (folder / name).touch()
    empty = hashlib.sha256().hexdigest()
    (folder / "sha256.txt").write_text(
        "".join(f"{empty}  {name}\n" for name in names)
    )


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("train", ["--data_dir=/nowhere"], ["/nowhere", "data.caltech.edu"]),
        ("train", ["--weights=/nowhere.h5"], ["no weight file /nowhere.h5"]),
        ("evaluate", ["--data_dir=/nowhere"], ["/nowhere", "caltech.edu"]),
        ("evaluate", ["--saved_model=/nowhere"], ["no such folder"]),
        ("predict", ["--saved_model=/nowhere", "--images=x"], ["/nowhere"]),
        ("predict", ["--saved_model=.", "--images=x"], ["no such image"]),
        ("export", [], ["has no checkpoint"]),
        (
            "datasets",
            ["--check", "--dataset=cub", "--data_dir=/nowhere"],
            ["train, test cannot be read"],
        ),
    ],
)
def test_what_is_not_there_is_told_before_tensorflow(
    tmp_path, command, arguments, words
):
    (tmp_path / "flags.cfg").write_text("--dataset=cub\n")
    writes = command not in ("train", "datasets")
    more = [f"--output_dir={tmp_path}"] if writes else []
    if command == "evaluate" and "--saved_model=/nowhere" not in arguments:
        write_checkpoint(tmp_path / "checkpoints" / "00000001")
    if command in ("train", "export") or (tmp_path / "checkpoints").is_dir():
        more.append(f"--workdir={tmp_path}")
    if command == "train":
        more.append("--dataset=cub")
    result = subprocess.run(
        [
            *(sys.executable, "-Ximporttime", "-m", f"adl_tf.{command}"),
            *(*more, *arguments),
        ],
        capture_output=True,
        text=True,
    )
    lines = result.stderr.splitlines()
    told = [line for line in lines if not line.startswith("import time:")]
    assert result.returncode in (1, 2) and len(told) == 1, told
    for word in words:
        assert word in told[0]
    assert not any(line.endswith("| tensorflow") for line in lines)


@pytest.mark.slow
def test_missing_data_names_the_folder_and_the_source(tmp_path):
    result = run(
        "train",
        "--dataset=cub",
        f"--data_dir={tmp_path}/nowhere",
        f"--workdir={tmp_path}/run",
    )
    assert_one_line(result, 1, f"{tmp_path}/nowhere", "data.caltech.edu")


def test_flags_of_other_commands_are_refused(tmp_path):
    assert_one_line(
        run("report", f"--workdir={tmp_path}", "--epochs=1"),
        2,
        "--epochs is not a flag of adl_tf.report",
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--method=cam", "--adl_gamma=0.9"],
            [
                "--adl_gamma belongs to --method=adl",
                "is not a flag of --method=cam",
            ],
        ),
        (
            ["--method=has", "--nocutmix_area_corrected"],
            ["--cutmix_area_corrected belongs to --method=cutmix"],
        ),
        # These may be there: flagfiles for any method, the value as it is,
        # and the method's own.
        (["--flagfile={cub_smoke}", "--method=adl"], ["no weight file"]),
        (["--method=cam", "--adl_drop_rate=0.75"], ["no weight file"]),
        (["--adl_gamma=0.9"], ["no weight file"]),
    ],
)
def test_flags_of_other_methods(tmp_path, arguments, words):
    cub_smoke = (
        pathlib.Path(flags.__file__).parents[1]
        / "experiments/data/cub_smoke.cfg"
    )
    assert "--has_patch_size=18" in cub_smoke.read_text()
    result = run(
        "train",
        *(argument.format(cub_smoke=cub_smoke) for argument in arguments),
        f"--workdir={tmp_path}",
        "--weights=/nowhere.h5",
    )
    assert_one_line(result, 1 if "no weight file" in words else 2, *words)

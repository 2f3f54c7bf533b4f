import dataclasses

import pytest

from adl_tf.errors import DataError, UsageError
from adl_tf.workdir.evaluation import Evaluation
from adl_tf.workdir.reading import check_same_images, read_runs


def make(folder):
    folder.mkdir(parents=True)
    (folder / "flags.cfg").write_text("--method=adl\n--data_dir=/a=b\n")
    return folder


def test_a_run_is_read(tmp_path):
    folder = make(tmp_path / "run")
    (folder / "environment.json").write_text('{"tensorflow": "2.21"}')
    (folder / "history.csv").write_text("epoch,loss\n1,2.5\n2,nan\n")
    (run,) = read_runs([str(folder)])
    assert run.name == "run"
    assert run.settings == {"method": "adl", "data_dir": "/a=b"}
    assert run.environment == {"tensorflow": "2.21"}
    assert run.history[0] == {"epoch": 1.0, "loss": 2.5}
    assert len(run.history) == 2
    assert run.evaluations == {}


def test_names_tell_runs_apart(tmp_path):
    folders = [make(tmp_path / seed / "run") for seed in ("s0", "s1")]
    assert [run.name for run in read_runs(map(str, folders))] == [
        "s0/run",
        "s1/run",
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("environment.json", "{"),
        ("environment.json", "[1]"),
        ("history.csv", "epoch,loss\n1,much\n"),
        ("history.csv", "epoch,loss\n1\n"),
        ("metrics.json", "{"),
    ],
)
def test_damaged_files(tmp_path, name, content):
    folder = make(tmp_path / "run")
    (folder / name).write_text(content)
    with pytest.raises(DataError, match=f"{name} is damaged"):
        read_runs([str(folder)])


def test_runs_on_different_images_are_not_compared(tmp_path):
    folders = [make(tmp_path / name) for name in ("a", "b")]
    for folder, count in zip(folders, (5, 6)):
        (folder / "metrics.json").write_text(
            f'{{"protocol": "adl_cvpr19", "num_images": {count}}}'
        )
    assert len(read_runs([str(folders[0])])) == 1
    with pytest.raises(UsageError, match="a and b were .* different images"):
        read_runs(map(str, folders))


def test_as_many_but_other_images(scored):
    first, second = scored.runs
    found = second.evaluations["adl_cvpr19-test"]
    ids = found.arrays["image_ids"].copy()
    ids[3] = "elsewhere.jpg"
    arrays = {**found.arrays, "image_ids": ids}
    changed = {"adl_cvpr19-test": Evaluation(found.metrics, arrays)}
    with pytest.raises(UsageError, match="different images under adl_cvpr"):
        check_same_images(
            first, dataclasses.replace(second, evaluations=changed)
        )


def test_folders_that_are_none(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="nothing to report"):
        read_runs([str(tmp_path / "empty")])
    with pytest.raises(UsageError, match="is not a folder"):
        read_runs([str(tmp_path / "nowhere")])
    folder = str(make(tmp_path / "run"))
    with pytest.raises(UsageError, match="named twice"):
        read_runs([folder, folder + "/"])
    with pytest.raises(UsageError, match="at most 6 runs"):
        read_runs([folder] * 7)

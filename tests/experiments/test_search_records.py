"""Records of searches: what is kept, and what is refused."""

import pytest

from adl_tf.errors import DataError
from experiments.records import keep_search
from tests.experiments.test_records import OVERLAPS, RIGHT

HEADER = "folder,epochs,top1_clas,gt_known_loc,top1_loc\n"


@pytest.fixture
def search_dir(tmp_path, finished_run):
    folder = tmp_path / "search"
    finished_run(folder / "0000", RIGHT, OVERLAPS, epochs=3)
    finished_run(folder / "0001", RIGHT, OVERLAPS, epochs=5)
    (folder / "0002").mkdir()  # was not finished
    (folder / "trials.csv").write_text(
        f"{HEADER}0001,5,60,50,40\n0000,3,50,40,30\n"
    )
    (folder / "trials.log").write_text("{}")
    (folder / "best.cfg").write_text(
        "--data_dir=/somewhere\n--epochs=3\n--weights=/a/b.h5\n--epochs=5\n"
    )
    return folder


def test_small_files_without_paths(search_dir, tmp_path):
    folder = tmp_path / "kept" / "search" / "adl"
    keep_search(str(search_dir), str(folder))
    assert {path.name for path in folder.iterdir()} == {
        *("0000", "0001", "best.cfg"),
        *("trials.csv", "trials.log", "trials.md", "trials.png"),
    }
    assert (folder / "best.cfg").read_text() == "--epochs=5\n--weights=b.h5\n"
    assert {path.name for path in (folder / "0001").iterdir()} == {
        *("flags.cfg", "history.csv", "timing.csv"),
        *("metrics.json", "environment.json"),
    }
    for path in folder.rglob("*.cfg"):
        assert "/" not in path.read_text()


def test_refusals(search_dir, tmp_path, finished_run):
    with pytest.raises(DataError, match="adl_tf.search writes it"):
        keep_search(str(tmp_path), str(tmp_path / "kept"))
    dirty = search_dir / "0002"
    finished_run(dirty, RIGHT, OVERLAPS, revision="abc-dirty")
    with pytest.raises(DataError, match="0002 is not recorded"):
        keep_search(str(search_dir), str(tmp_path / "kept"))
    assert not (tmp_path / "kept").exists()

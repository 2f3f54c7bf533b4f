import dataclasses
import html.parser
import json
import re
import subprocess
import sys

import pytest

from adl_tf.reporting.gallery import gallery
from adl_tf.reporting.report import write_report
from adl_tf.workdir.evaluation import Evaluation
from tests.reporting.conftest import CLASSES, HOSTILE


class Page(html.parser.HTMLParser):
    """Tags, text and the data of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.data, self._inside = [], [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = (tag, dict(attributes).get("id"))

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside == ("script", "data"):
            self.data += data
        elif self._inside is None or self._inside[0] not in (
            "script",
            "style",
        ):
            self.words.append(data)


@pytest.fixture(scope="module")
def page(scored, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path, unreadable = write_report(scored.runs, str(folder))
    assert not unreadable
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return Page(text), text


def test_nothing_is_loaded_from_elsewhere(page):
    parsed, text = page
    assert "default-src 'none'" in text
    for tag, attributes in parsed.tags:
        assert tag not in ("link", "iframe", "object", "base")
        source = attributes.get("src") or ""
        assert not source or source.startswith("data:")
    assert not re.search(r"@import|url\(", text)


def test_names_are_text_and_no_markup(page):
    parsed, text = page
    assert HOSTILE not in text
    assert CLASSES[0] not in text
    assert not [tag for tag, _ in parsed.tags if tag == "img"]
    assert [tag for tag, _ in parsed.tags].count("script") == 2
    assert "<b>wholes" in "".join(parsed.words)
    assert "49" not in [word.strip() for word in parsed.words]


def test_the_data_survive_being_embedded(page, scored):
    parsed, _ = page
    data, _ = gallery(scored.runs)
    assert json.loads(parsed.data) == data
    assert data["images"][0]["name"] == HOSTILE


def test_accuracies_and_settings_are_there(page, scored):
    parsed, _ = page
    words = " ".join(" ".join(parsed.words).split())
    for run in scored.runs:
        for name in ("adl_cvpr19-test", "wsoleval_cvpr20-test"):
            metrics = run.evaluations[name].metrics
            assert f"{metrics['fixed_tau']['gt_known_loc']:.1f}" in words
            assert f"{metrics['max_box_acc_v2']:.1f}" in words
    assert "--method differs cam adl" in words
    charts = [a for tag, a in parsed.tags if tag == "svg"]
    assert len(charts) == 4  # two protocols, loss and accuracy
    assert all(chart["role"] == "img" for chart in charts)


def test_a_run_that_has_only_been_trained(scored, tmp_path):
    run = dataclasses.replace(scored.runs[0], evaluations={})
    path, _ = write_report([run], str(tmp_path))
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert "run adl_tf.evaluate" in text
    assert "Loss over the epochs" in text


def test_metrics_of_older_versions(scored, tmp_path):
    metrics = {
        "protocol": "adl_cvpr19",
        "split": "test",
        "num_images": 12,
        "top1_clas": 95.24,
        "fixed_tau": {"tau": 0.2, "gt_known_loc": 38.0, "top1_loc": 37.8},
        "best_tau": {"tau": 0.2, "gt_known_loc": 38.0},
        "baselines": {"centre": {"gt_known_loc": 57.1}},
        "curve": {"tau": [0.1, 0.2], "gt_known_loc": [30.0, 38.0]}
        | {"top1_loc": [29.0, 37.8]},
    }
    older = dataclasses.replace(
        scored.runs[0], evaluations={"adl_cvpr19-test": Evaluation(metrics)}
    )
    path, _ = write_report([older], str(tmp_path))
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert "95.2" in text and "37.8" in text
    assert "run adl_tf.evaluate again" in text
    assert "(38.0 %) than the best centred square (57.1 %)" in text
    # Beside a run with images, its own column stays without.
    data, _ = gallery([older, scored.runs[1]])
    shown = {each["name"]: each["runs"] for each in data["evaluations"]}
    assert shown["adl_cvpr19-test"][0] is None
    write_report([older, scored.runs[1]], str(tmp_path))


def test_command(scored, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "adl_tf.report", *arguments],
            capture_output=True,
            text=True,
        )

    first, second = scored.folders
    result = run(
        f"--workdir={first}", f"--compare={second}", f"--output_dir={tmp_path}"
    )
    assert result.returncode == 0, result.stderr
    assert str(tmp_path / "index.html") in result.stdout
    assert (tmp_path / "index.html").stat().st_size > 10_000
    result = run(f"--workdir={tmp_path}/nowhere")
    assert result.returncode == 2
    assert "is not a folder" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1

"""README's first command, with one epoch instead of twelve."""

import json
import os
import pathlib
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_quickstart(tmp_path):
    root = pathlib.Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-m", "experiments.quickstart", "--epochs=1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    report, page = (
        pathlib.Path(line.split()[-1])
        for line in result.stdout.strip().splitlines()[-2:]
    )
    assert 'id="threshold"' in report.read_text()
    assert page.read_text().count("<figure>") == 20
    run = tmp_path / "runs" / "quickstart"
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["num_images"] == 500
    records = (run / "images" / "predictions.jsonl").read_text()
    assert len(records.splitlines()) == 10

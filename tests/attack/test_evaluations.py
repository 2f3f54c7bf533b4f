"""Damaged files of an evaluation: read as they were, or refused in a line."""

import random

import pytest

from adl_tf.errors import DataError
from adl_tf.localization.metrics import THRESHOLDS
from adl_tf.workdir.evaluations import read_evaluations
from tests.attack.mutations import mutated
from tests.workdir.made import write, write_as_0_1_0

COUNT = 2000


def use(evaluation):
    """What report and tables do with an evaluation."""
    for name in THRESHOLDS:
        tau = evaluation.tau(name)
        if tau is not None and evaluation.arrays is not None:
            evaluation.correct_boxes(tau)
    if evaluation.arrays is not None and evaluation.correct_classes is not None:
        for label in evaluation.arrays["labels"]:
            evaluation.class_name(label)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("earlier", "ending"),
    [(True, "npz"), (True, "json"), (False, "h5"), (False, "json")],
)
def test_mutated_files(tmp_path, ending, earlier):
    chosen = random.Random(0)
    if earlier:
        path = write_as_0_1_0(tmp_path, ending)
    else:
        path = write(tmp_path).with_suffix(f".{ending}")
    content = path.read_bytes()
    refused = 0
    for _ in range(COUNT):
        path.write_bytes(mutated(content, chosen))
        try:
            for evaluation in read_evaluations(str(tmp_path)).values():
                use(evaluation)
        except DataError as error:
            assert "\n" not in str(error)
            refused += 1
    if earlier or ending == "h5":
        assert refused > COUNT / 2
    else:  # a copy, which nobody reads
        assert not refused

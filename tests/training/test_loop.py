"""Training: work directories, going on, replicas, what is refused."""

import functools
import os
import shutil

import keras
import numpy as np
import pytest

from adl_tf.errors import AdlTfError, DataError, UsageError
from adl_tf.training.loop import train
from adl_tf.training.trainer import Trainer
from adl_tf.workdir import checkpoints
from tests.datasets.text_files import write
from tests.runs import history_of, losses_of, weights_of


def test_work_directory(undisturbed):
    for name in ("flags.cfg", "environment.json", "class_names.txt", "logs"):
        assert os.path.exists(os.path.join(undisturbed.workdir, name))
    assert os.listdir(os.path.join(undisturbed.workdir, "logs"))
    assert [row["step"] for row in history_of(undisturbed)] == ["3", "6"]
    assert sorted(
        os.listdir(os.path.join(undisturbed.workdir, "checkpoints"))
    ) == [
        "00000003",
        "00000006",
    ]
    with open(os.path.join(undisturbed.workdir, "flags.cfg")) as file:
        lines = file.read().splitlines()
    assert "--num_classes=2" in lines
    assert "--batch_size=8" in lines


def test_learns(trained):
    rows = history_of(trained)
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    assert float(rows[-1]["accuracy"]) > 90


def test_goes_on_from_checkpoint(settings, undisturbed, train_until):
    broken = settings()
    train_until(broken, 3)
    train(settings())
    for first, second in zip(weights_of(undisturbed), weights_of(broken)):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_finished_run_is_left_alone(trained):
    before = history_of(trained)
    train(trained)
    assert history_of(trained) == before


def test_damaged_leftover_of_a_checkpoint_does_not_matter(settings):
    run = settings()
    os.makedirs(os.path.join(run.workdir, "checkpoints", "00000003.partial"))
    train(run)
    assert len(history_of(run)) == 2


def test_two_replicas(settings, capsys):
    run = settings(strategy="mirrored", epochs=1)
    train(run)
    assert "replicas: 2" in capsys.readouterr().out
    assert np.isfinite(float(history_of(run)[0]["loss"]))


def test_crops_that_show_little_of_a_image(settings, capsys):
    train(settings(epochs=1, resize_size=64))
    said = capsys.readouterr().out
    assert "crops of 32 pixels from images of 64 show 25 % of each" in said
    train(settings(epochs=1, workdir=settings().workdir + "2"))
    assert "crops of" not in capsys.readouterr().out


def test_data_of_one_class(settings, capsys):
    train(settings(epochs=1, classes="2"))
    assert "all images are of one class" in capsys.readouterr().out
    train(settings(epochs=1, workdir=settings().workdir + "2"))
    assert "one class" not in capsys.readouterr().out


def test_a_batch_larger_than_the_data(settings, capsys):
    run = settings(batch_size=32, epochs=2)
    train(run)
    assert "--batch_size=32 is more than there" in capsys.readouterr().out
    assert [row["step"] for row in history_of(run)] == ["1", "2"]


def test_no_images(settings, tmp_path):
    for name in ("image_ids", "class_labels", "image_sizes"):
        write(tmp_path / "metadata" / "train", f"{name}.txt", [])
    with pytest.raises(DataError, match="--train_split=train has no images"):
        train(settings(data_dir=str(tmp_path)))


def test_two_replicas_and_odd_batch(settings):
    with pytest.raises(UsageError, match="multiple of 2"):
        train(settings(strategy="mirrored", batch_size=7))


def test_two_replicas_learn_what_one_does(settings, tmp_path, monkeypatch):
    """Without batch statistics, a step depends on the whole batch alone."""
    monkeypatch.setattr(
        keras.layers,
        "BatchNormalization",
        functools.partial(keras.layers.BatchNormalization, trainable=False),
    )
    one, two = (
        settings(strategy=name, method="cam", workdir=str(tmp_path / name))
        for name in ("one_device", "mirrored")
    )
    train(one)
    train(two)
    for first, second in zip(history_of(one), history_of(two), strict=True):
        assert first["accuracy"] == second["accuracy"]
    np.testing.assert_allclose(losses_of(one), losses_of(two), atol=1e-5)
    assert len(set(losses_of(one))) == 2
    for first, second in zip(weights_of(one), weights_of(two)):
        np.testing.assert_allclose(first, second, atol=1e-5)


def test_other_flags_are_refused(settings):
    train(settings(epochs=1))
    with pytest.raises(
        UsageError, match="--learning_rate=0.02.*--learning_rate=0.5"
    ):
        train(settings(epochs=1, learning_rate=0.5))


def test_flags_that_never_worked_may_be_mended(settings):
    with pytest.raises(UsageError, match="conv9"):
        train(settings(adl_positions="conv9", epochs=1))
    train(settings(epochs=1))


def test_loss_that_is_not_a_number(settings):
    run = settings(learning_rate=1e30)
    with pytest.raises(AdlTfError, match="the loss became .*learning_rate"):
        train(run)
    # Nothing stands in the way of a lower rate.
    train(settings())


def test_loss_that_stops_being_a_number(settings, monkeypatch):
    """The checkpoints of the epochs before are kept."""
    run = settings(epochs=3)
    step = Trainer.step

    def step_until(trainer, batch):
        loss, right = step(trainer, batch)
        done = int(trainer.optimizer.iterations.numpy())
        return (loss if done < 5 else loss * np.nan), right

    monkeypatch.setattr(Trainer, "step", step_until)
    with pytest.raises(AdlTfError, match=r"NaN at step 4.*00000003"):
        train(run)
    assert "00000003" in checkpoints.latest_weights(run.workdir)


def test_pretrained_weights_as_they_are(settings):
    run = settings(epochs=0, num_classes=2)
    train(run)
    assert "00000000" in checkpoints.latest_weights(run.workdir)


def test_undecodable_image_is_named(settings, data_dir, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(data_dir, copy)
    (copy / "train" / "7.png").write_bytes(b"not an image")
    for memory_budget in (2048, 0):
        with pytest.raises(DataError, match=r"train/7\.png"):
            train(
                settings(
                    data_dir=str(copy),
                    memory_budget=memory_budget,
                    workdir=str(tmp_path / f"run{memory_budget}"),
                )
            )


def test_crop_larger_than_image(settings):
    with pytest.raises(UsageError, match="larger than"):
        train(settings(input_size=64))


def test_too_few_classes(settings):
    with pytest.raises(UsageError, match="--num_classes=1"):
        train(settings(num_classes=1))


def test_unknown_adl_position(settings):
    with pytest.raises(UsageError, match="conv9"):
        train(settings(adl_positions=("conv9", "conv4_relu")))


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_mixed_precision(settings, precision):
    run = settings(mixed_precision=precision, epochs=1)
    try:
        train(run)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert np.isfinite(float(history_of(run)[0]["loss"]))

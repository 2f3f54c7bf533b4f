"""What the tests share: two CPU devices, real data, a small trained run."""

import dataclasses
import functools
import os
import pathlib

import cv2
import numpy as np
import pytest

from adl_tf.settings import Settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def pytest_sessionstart(session):
    # Under `-n` the workers run the tests.
    starts_workers = session.config.getoption("numprocesses", None)
    if os.environ["KERAS_BACKEND"] != "tensorflow" or starts_workers:
        return
    import tensorflow as tf

    # Two devices for replicas; TensorFlow refuses once an operation has run.
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )


@pytest.fixture(scope="session")
def test_data(pytestconfig):
    return _folder(pytestconfig, "ADL_TF_TEST_DATA")


@pytest.fixture(scope="session")
def test_weights(pytestconfig):
    return _folder(pytestconfig, "ADL_TF_TEST_WEIGHTS")


def _folder(pytestconfig, variable):
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    return pathlib.Path(pytestconfig.invocation_params.dir, value)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """Two classes, red and blue squares on grey: 24 images of 40x40."""
    root = tmp_path_factory.mktemp("squares")
    random = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 9)):
        folder = root / "metadata" / split
        folder.mkdir(parents=True)
        (root / split).mkdir()
        lines = {"image_ids": [], "class_labels": [], "image_sizes": []}
        lines["localization"] = []
        for index in range(count):
            image = random.integers(100, 140, (40, 40, 3), np.uint8)
            x, y = random.integers(2, 20, 2)
            image[y : y + 16, x : x + 16] = (
                (230, 30, 30) if index % 2 else (30, 30, 230)
            )
            name = f"{split}/{index}.png"
            cv2.imwrite(str(root / name), image[..., ::-1])
            lines["image_ids"].append(name)
            lines["class_labels"].append(f"{name},{index % 2}")
            lines["image_sizes"].append(f"{name},40,40")
            lines["localization"].append(f"{name},{x},{y},{x + 15},{y + 15}")
        for name, content in lines.items():
            (folder / f"{name}.txt").write_text("\n".join(content))
    return root


SETTINGS = Settings(
    dataset="metadata",
    input_size=32,
    resize_size=36,
    backbone="small_cnn",
    weights="none",
    epochs=2,
    batch_size=8,
    learning_rate=0.02,
    head_learning_rate_ratio=1.0,
    has_patch_size=8,
    strategy="one_device",
    startup_timeout=60,
)


@pytest.fixture(scope="session")
def shared_settings(data_dir, tmp_path_factory):
    """As `settings`, for runs that several tests look at."""

    def make(workdir=None, **changes):
        workdir = workdir or str(tmp_path_factory.mktemp("shared") / "run")
        changes = {"data_dir": str(data_dir), **changes}
        return dataclasses.replace(SETTINGS, workdir=workdir, **changes)

    return make


@pytest.fixture
def settings(shared_settings, tmp_path):
    """Function that makes settings, with changes."""
    return functools.partial(shared_settings, workdir=str(tmp_path / "run"))


@pytest.fixture(scope="session")
def trained(shared_settings):
    """Settings of a run that has learnt to tell the squares apart."""
    from adl_tf.training.loop import train

    return train(shared_settings(epochs=12))


@pytest.fixture
def train_until(monkeypatch):
    """Function that trains a run, and breaks off after a checkpoint."""
    from adl_tf.training.loop import train
    from adl_tf.workdir import checkpoints

    save = checkpoints.save

    def call(run, last_step):
        def save_and_stop(workdir, step, *arguments):
            save(workdir, step, *arguments)
            if step == last_step:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(checkpoints, "save", save_and_stop)
            with pytest.raises(KeyboardInterrupt):
                train(run)

    return call


@pytest.fixture(scope="session")
def saved_model(trained, tmp_path_factory):
    """Folder of its SavedModel, threshold 0.3."""
    from adl_tf.exported.writing import export
    from adl_tf.workdir.trained import class_names, load_trained

    folder = str(tmp_path_factory.mktemp("exported") / "saved")
    export(load_trained(trained), folder, class_names(trained), trained, 0.3)
    return folder

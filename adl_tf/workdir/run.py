"""The files of a work directory that describe its run."""

import datetime
import json
import os
import platform
import subprocess

import cv2
import keras
import numpy as np
import tensorflow as tf

import adl_tf
from adl_tf.errors import UsageError
from adl_tf.files import write_whole
from adl_tf.flags import read_flagfile
from adl_tf.workdir import checkpoints


def claim(settings, class_names):
    """Describes the run in its work directory, if it holds no other run.

    Args:
        settings: Settings of the run, with `workdir`.
        class_names: List of the names of its classes.

    Raises:
        UsageError: If the folder holds a run with other settings.
    """
    path = os.path.join(settings.workdir, "flags.cfg")
    # Without a checkpoint, the flags of a run may still be changed.
    if os.path.isfile(path) and checkpoints.latest_weights(settings.workdir):
        _refuse_other_run(settings, read_flagfile(path))
    write_whole(path, settings.as_flagfile())
    write_whole(
        os.path.join(settings.workdir, "class_names.txt"),
        "".join(f"{name}\n" for name in class_names),
    )


def write_environment(workdir):
    """Writes environment.json: versions, machine, devices, revision.

    Args:
        workdir: Work directory.
    """
    write_whole(
        os.path.join(workdir, "environment.json"),
        json.dumps(environment(), indent=1) + "\n",
    )


def environment():
    """Dictionary of versions, machine, devices and revision."""
    return {
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(
            timespec="seconds"
        ),
        "adl_tf": adl_tf.__version__,
        "revision": _git_revision(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "system": platform.platform(terse=True),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "devices": [
            device.device_type for device in tf.config.list_logical_devices()
        ],
    }


def _refuse_other_run(settings, saved):
    names = settings.differences(saved)
    if names:
        there, here = (
            " ".join(
                f"--{name}={flags[name]}" for name in names if name in flags
            )
            for flags in (saved.as_flags(), settings.as_flags())
        )
        raise UsageError(
            f"{settings.workdir} holds a run with other flags: there "
            f"{there or '(default)'}, here {here or '(default)'}; take "
            "another --workdir, or the same flags to go on"
        )


def _git_revision():
    folder = os.path.dirname(os.path.abspath(adl_tf.__file__))
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()

"""Where training runs: one device, all of a machine, or several machines."""

import contextlib

import tensorflow as tf

from adl_tf.errors import UsageError
from adl_tf.training.cluster import WorkerLost, cluster_from_environment
from adl_tf.training.meeting import meet

# What TensorFlow raises in a worker whose peer is gone.
_LOSSES = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)


def cluster_for(name):
    """The cluster that a strategy spans.

    Args:
        name: As of `make_strategy`.

    Returns:
        `Cluster`, or `None` where this process trains alone.

    Raises:
        UsageError: If `"multi_worker"` is asked for without a cluster.
    """
    if name not in ("auto", "multi_worker"):
        return None
    cluster = cluster_from_environment()
    if cluster is None and name == "multi_worker":
        raise UsageError(
            "--strategy=multi_worker needs TF_CONFIG to name several workers; "
            "docs/distributed.md shows how"
        )
    return cluster


def is_chief(name):
    """Whether this process is the one that writes and prints.

    Args:
        name: As of `make_strategy`.
    """
    cluster = cluster_for(name)
    return cluster is None or cluster.is_chief


def make_strategy(name, startup_timeout=600):
    """A `tf.distribute` strategy by name.

    Several workers have to be met before TensorFlow has looked at its
    devices.

    Args:
        name: `"mirrored"` for all GPUs of this machine, or the CPU (each
            logical device of it) where there is none; `"one_device"` for the
            first; `"multi_worker"` for all GPUs of the machines in
            `TF_CONFIG`, or their CPUs; `"auto"` for `"multi_worker"` where
            `TF_CONFIG` names several workers and else `"mirrored"`.
        startup_timeout: How long to wait for other workers, in seconds.

    Returns:
        `tf.distribute.Strategy`.

    Raises:
        AdlTfError: If a worker does not come.
    """
    cluster = cluster_for(name)
    if cluster is not None:
        meet(cluster, startup_timeout)
        with lost_worker_reported(cluster):
            return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    names = [device.name for device in devices]
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy(names[0])
    # Collective operations, the default without GPUs, stay broken for the
    # rest of the process once a step was interrupted.
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)


def spans_workers(strategy):
    """Whether a strategy has replicas in other processes."""
    return strategy.cluster_resolver is not None


@contextlib.contextmanager
def lost_worker_reported(cluster):
    """Turns TensorFlow's error in the loss of a worker into ours.

    Args:
        cluster: `Cluster`, or `None`, which cannot lose any.

    Raises:
        WorkerLost: In place of TensorFlow's errors.
    """
    try:
        yield
    except _LOSSES as error:
        if cluster is None:
            raise
        raise WorkerLost(
            "the connection to another worker is lost: start the same command "
            "there again, and all go on from "
            "the last checkpoint"
        ) from error


def share_from_chief(strategy, number, variables):
    """Sets variables of all workers to the values of the chief.

    Only the chief has read the checkpoint: the others need not even see the
    work directory.

    Args:
        strategy: `tf.distribute.Strategy`.
        number: Integer; the chief's counts.
        variables: List of Keras variables.

    Returns:
        The chief's number.
    """
    if not spans_workers(strategy):
        return number

    def share():
        context = tf.distribute.get_replica_context()
        is_first = context.replica_id_in_sync_group == 0
        for variable in variables:
            value = variable.value
            # There are no sums of unsigned integers.
            wide = tf.int64 if value.dtype.is_integer else value.dtype
            mine = tf.cast(value, wide)
            mine = tf.where(is_first, mine, tf.zeros_like(mine))
            total = context.all_reduce(tf.distribute.ReduceOp.SUM, mine)
            value.assign(tf.cast(total, value.dtype))

    tf.function(lambda: strategy.run(share))()
    return agree(strategy, False, number)[1]


def agree(strategy, wanted, number):
    """Has all workers decide the same; they wait for each other here.

    Args:
        strategy: `tf.distribute.Strategy`.
        wanted: Whether this worker wants something.
        number: Integer; the chief's counts.

    Returns:
        Tuple of whether any worker wants it, and the chief's number.
    """
    if not spans_workers(strategy):
        return bool(wanted), number

    def votes(context):
        is_first = context.replica_id_in_sync_group == 0
        return tf.constant([bool(wanted), is_first * number], tf.int64)

    total = strategy.reduce(
        tf.distribute.ReduceOp.SUM,
        strategy.experimental_distribute_values_from_function(votes),
        axis=None,
    )
    wishes, number = total.numpy().tolist()
    return wishes > 0, number


def barrier(strategy):
    """Returns when all workers are here.

    A worker that exits early would disconnect the others.

    Args:
        strategy: `tf.distribute.Strategy`.
    """
    agree(strategy, False, 0)

"""Random numbers that differ between the replicas of `tf.distribute`, and
conditional branches.
"""

import keras
from keras import ops


def draw(sampler, shape, seed_generator, **arguments):
    """Random numbers of this replica.

    The seed state is a copy on every replica, so all would draw the same
    numbers. Each replica draws the numbers of all replicas and takes its own.

    Args:
        sampler: Function of `keras.random`, such as `keras.random.uniform`.
        shape: Tuple, the shape of the output.
        seed_generator: `keras.random.SeedGenerator`.
        **arguments: Further arguments of `sampler`.

    Returns:
        float32 tensor of shape `shape`.
    """
    replica, num_replicas = _replica()
    draws = sampler(
        (num_replicas, *shape),
        dtype="float32",
        seed=seed_generator,
        **arguments,
    )
    return draws[replica]


def branch(condition, if_true, if_false):
    """`ops.cond`, without recompilation when JAX runs eagerly.

    JAX compiles a branch for each function that it has not seen, and a layer
    makes new ones at each call. Outside of compiled code the condition is
    known, and Python branches.

    Args:
        condition: Scalar boolean tensor.
        if_true: Function without arguments, called if `condition` is true.
        if_false: The same, called if it is false.

    Returns:
        The output of the function that was called.
    """
    if keras.backend.backend() == "jax":
        import jax

        if not isinstance(condition, jax.core.Tracer):
            return if_true() if condition else if_false()
    return ops.cond(condition, if_true, if_false)


def _replica():
    """This replica's index and the number of replicas (`tf.distribute`)."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            return (
                context.replica_id_in_sync_group,
                context.num_replicas_in_sync,
            )
    return 0, 1

"""Evaluation on several devices, each with its share of the images."""

import dataclasses

import numpy as np
import tensorflow as tf


def replicated(network, strategy):
    """A network that splits each batch among the replicas.

    No image is scored twice and none is left out, whatever their number: the
    shares differ by one image at most, and outputs are as long as the batch
    and in its order, on every worker.

    Args:
        network: `Network`, made in the scope of `strategy`.
        strategy: `tf.distribute.Strategy`.

    Returns:
        `Network`.
    """
    count = strategy.num_replicas_in_sync
    if count == 1:
        return network

    @tf.function(reduce_retracing=True)
    def run(images, class_ids):
        return strategy.run(network.localize, (images, class_ids))

    def localize(images, class_ids):
        # Fewer images than replicas: the first ones come again, so that no
        # share is empty, and are dropped from the outputs.
        number = len(images)
        places = np.arange(max(number, count)) % number
        shares = np.array_split(places, count)

        def share(values):
            values = np.asarray(values)
            return strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(
                    values[shares[context.replica_id_in_sync_group]]
                )
            )

        outputs = run(share(images), share(class_ids))
        return tuple(strategy.gather(each, axis=0)[:number] for each in outputs)

    return dataclasses.replace(network, localize=localize)

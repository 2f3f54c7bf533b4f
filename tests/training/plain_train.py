"""`python -m adl_tf.train` without batch normalization.

Its statistics are those of a replica; without it a step depends on the whole
batch alone, and any number of replicas has to learn the same.
"""

import functools
import runpy

import keras

layer = keras.layers.BatchNormalization
layer.__init__ = functools.partialmethod(layer.__init__, trainable=False)
runpy.run_module("adl_tf.train", run_name="__main__")

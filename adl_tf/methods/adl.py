"""ADL as a method: a classifier with `ADLLayer` after some of its layers."""

from adl_tf.layers.adl import ADLLayer
from adl_tf.models.data_formats import data_format_of
from adl_tf.models.surgery import insert_after


def insert_adl(model, after, **adl_arguments):
    """A copy of a Keras model with ADL after some of its layers.

    Args:
        model: A functional or Sequential Keras model; models nested in it are
            entered.
        after: List of exact layer names, or one regular expression that has
            to match a whole name, such as `"conv[45]_block3_out"`.
        **adl_arguments: Arguments of `ADLLayer` but `name`: `first_adl` comes
            after `first`. With `seed`, the layers get seeds that follow one
            another; without `dtype` and `data_format`, those of the layers
            before them.

    Returns:
        A new Keras model with the weights of `model`, not compiled, even where
        `model` is. At inference it returns what `model` does.

    Raises:
        ValueError: If no layer matches, or `model` is a subclassed model.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> model = insert_adl(model, ["conv_pw_11_relu", "conv_pw_13_relu"])
    """
    seed = adl_arguments.pop("seed", None)
    count = 0

    def make_layer(before):
        nonlocal count
        layer_seed = None if seed is None else seed + count
        count += 1
        # Not the global dtype policy, which may differ from that of the
        # model or of the layer before.
        dtype = getattr(before.output, "dtype", None)
        (output, *_) = before._inbound_nodes[0].output_tensors
        return ADLLayer(
            name=f"{before.name}_adl",
            seed=layer_seed,
            **{
                "dtype": dtype,
                "data_format": data_format_of(output),
                **adl_arguments,
            },
        )

    return insert_after(model, after, make_layer)


def adl(
    model,
    backbone,
    positions=None,
    gamma=None,
    drop_rate=0.75,
    importance_rate=None,
    selection="batch",
    seed=None,
):
    """Puts ADL into a classifier, by default where the paper does.

    Args:
        model: Keras model made of `backbone`.
        backbone: Its `Backbone`.
        positions: Layer names or a regular expression, or `None` for the
            backbone's own.
        gamma: Float, or `None` for the paper's value for the backbone.
        drop_rate: See `ADLLayer`.
        importance_rate: See `ADLLayer`.
        selection: See `ADLLayer`.
        seed: See `insert_adl`.

    Returns:
        Keras model with the same weights.

    Raises:
        ValueError: If there are no positions, or none of that name.
    """
    positions = positions or list(backbone.adl_positions)
    if not positions:
        raise ValueError(
            f"Backbone '{backbone.model.name}' has no positions of its own "
            "for ADL: name layers with `positions` (--adl_positions); python "
            "-m adl_tf.models lists them. Received: positions=None"
        )
    return insert_adl(
        model,
        positions,
        gamma=backbone.adl_gamma if gamma is None else gamma,
        drop_rate=drop_rate,
        importance_rate=importance_rate,
        selection=selection,
        seed=seed,
    )

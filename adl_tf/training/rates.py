"""Learning rates of layers, as multiples of the schedule's rate."""


def rate_ratios(model, backbone, objective, head_ratio, bias_ratio=1.0):
    """How many times the schedule's rate each variable learns at.

    Fast are the classifier, the layers without ImageNet weights and, in
    ResNets, the last stage: the authors' code divides the gradients of the
    stages before it by 10, and wsolevaluation multiplies the rate of `layer4`
    and `fc` by 10.

    Args:
        model: Keras model that is trained.
        backbone: Its `Backbone`.
        objective: The `Objective` that the method made of it.
        head_ratio: Ratio of fast layers; 1 for the others.
        bias_ratio: Further ratio of biases, those of batch normalisation
            included.

    Returns:
        List of floats, one for each of `model.trainable_variables`.
    """
    names = {"logits", *backbone.new_layers}
    if backbone.method_layers_fast:
        names.update(objective.new_layers)
    ratios = {}
    for layer in model.layers:
        fast = layer.name in names or layer.name.startswith(
            backbone.fast_layers
        )
        for variable in layer.trainable_variables:
            ratio = head_ratio if fast else 1.0
            if variable.name.endswith(("bias", "beta")):
                ratio *= bias_ratio
            ratios[id(variable)] = ratio
    return [ratios[id(variable)] for variable in model.trainable_variables]

"""Learning rate over the steps of a training."""

import keras

# By which the rate is multiplied after 30, 60, 90 and 100 of 105 parts.
_FACTORS = {"step": 0.1, "constant": 1.0}


def learning_rate_schedule(name, learning_rate, num_steps):
    """The learning rate as a function of the step.

    Args:
        name: `"cosine"`: from `learning_rate` to 0; `"step"`: a tenth after
            30, 60, 90 and 100 of 105 parts, as the authors' code;
            `"constant"`, as the codes of ACoL and SPG.
        learning_rate: Rate at the first step.
        num_steps: Number of steps of the training.

    Returns:
        Keras learning rate schedule.
    """
    if name == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            learning_rate, max(num_steps, 1)
        )
    # Keras lowers the rate after the step of a boundary.
    boundaries = [num_steps * part // 105 - 1 for part in (30, 60, 90, 100)]
    factor = _FACTORS[name]
    values = [learning_rate * factor**power for power in range(5)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)

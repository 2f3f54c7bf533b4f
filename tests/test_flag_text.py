"""Values of settings from text, and back."""

import pytest

from adl_tf.flag_text import (
    as_text,
    layer_names,
    named_values,
    patch_sizes,
    threshold_pairs,
)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (layer_names, "conv[45]_out", "conv[45]_out"),
        (layer_names, "conv4, conv5", ("conv4", "conv5")),
        (patch_sizes, "mixed", "mixed"),
        (patch_sizes, "32", 32),
        (patch_sizes, "0,16,32", (0, 16, 32)),
        (threshold_pairs, "0.7,0.05,0.5,0.1", ((0.7, 0.05), (0.5, 0.1))),
        (named_values, "stride=8, rate=0.5", {"stride": 8, "rate": 0.5}),
        (named_values, "variant=pytorch", {"variant": "pytorch"}),
    ],
)
def test_text_of_values(parse, text, value):
    assert parse(text) == value
    assert parse(as_text(value)) == value


@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [
        (patch_sizes, "big", "whole numbers separated by commas"),
        (patch_sizes, "1.5", "whole numbers"),
        (threshold_pairs, "0.7,x", "must be numbers separated by commas"),
        (named_values, "stride", "'stride' is not of the form name=value"),
        (named_values, "stride=8x", "stride=8x is neither a number nor a word"),
    ],
)
def test_text_that_is_no_value(parse, text, reason):
    with pytest.raises(ValueError, match=reason):
        parse(text)

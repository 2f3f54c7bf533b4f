import re
import xml.etree.ElementTree as ElementTree

import pytest

from adl_tf.reporting.curves import line_chart, ticks


def lines_of(chart):
    root = ElementTree.fromstring(str(chart))
    paths = [p for p in root.iter("path") if "line" in p.get("class").split()]
    return [
        [
            (pen, float(x), float(y))
            for pen, x, y in re.findall(r"([ML])(\S+) (\S+)", path.get("d"))
        ]
        for path in paths
    ]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0.05, 0.95, [0.2, 0.4, 0.6, 0.8]),
        (1, 12, [5, 10]),
        (0.5, 1.5, [0.6, 0.8, 1.0, 1.2, 1.4]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_points_are_where_they_belong():
    chart = line_chart(
        [("run0", [(0, 0), (1, 50), (2, 100)])], "t", "x", "y", (0, 100)
    )
    ((first, middle, last),) = lines_of(chart)
    assert [pen for pen, _, _ in (first, middle, last)] == ["M", "L", "L"]
    assert middle[1] == pytest.approx((first[1] + last[1]) / 2)
    assert middle[2] == pytest.approx((first[2] + last[2]) / 2)
    assert last[2] < first[2]  # y grows downwards


def test_a_line_breaks_where_there_is_no_number():
    points = [(0, 1.0), (1, float("nan")), (2, 3.0), (3, 4.0)]
    ((first, second, third),) = lines_of(
        line_chart([("run0", points)], "t", "x", "y")
    )
    assert [pen for pen, _, _ in (first, second, third)] == ["M", "M", "L"]


def test_a_single_epoch_can_be_drawn():
    ((point,),) = lines_of(line_chart([("run0", [(1, 2.3)])], "t", "x", "y"))
    assert 0 < point[1] < 440 and 0 < point[2] < 270


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="Received: series="):
        line_chart([("run0", [(1, float("nan"))])], "t", "x", "y")


def test_texts_are_escaped():
    chart = line_chart([("run0", [(0, 1)])], '"><b>', "<b>", "<i>")
    assert "<b>" not in chart and "<i>" not in chart
    assert ElementTree.fromstring(str(chart)).get("aria-label") == '"><b>'

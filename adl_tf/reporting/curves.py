"""Line charts as SVG. Colours are the page's: classes `run0`, `run1`, ..."""

import math

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 440, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 30, 44


def line_chart(series, title, x_label, y_label, y_limits=None, marker=False):
    """Draws lines over a common axis.

    Args:
        series: List of tuples of a CSS class and a list of points (x, y),
            sorted by x; points that are not finite break the line.
        title: What the chart shows, for those who cannot see it.
        x_label: Text under the axis.
        y_label: Text above the axis.
        y_limits: Lowest and highest y, or `None` to take those of the points.
        marker: Whether there is an upright line, which the page moves by the
            attributes `data-left`, `data-right`, `data-first` and `data-last`
            of the chart.

    Returns:
        `Markup` of an svg element.

    Raises:
        ValueError: If there is no point.
    """
    points = [
        point
        for _, line in series
        for point in line
        if all(map(math.isfinite, point))
    ]
    if not points:
        raise ValueError(f"there is nothing to draw. Received: series={series}")
    first, last = _limits([x for x, _ in points])
    low, high = y_limits or _limits([y for _, y in points])
    y_ticks = ticks(low, high)
    low, high = min(low, y_ticks[0]), max(high, y_ticks[-1])
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def place(x, y):
        return (
            _LEFT + (x - first) / (last - first) * (right - _LEFT),
            bottom - (y - low) / (high - low) * (bottom - _TOP),
        )

    parts = []
    for value in y_ticks:
        _, y = place(first, value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{value:g}", "end"))
    for value in ticks(first, last):
        x, _ = place(value, low)
        parts.append(_text(x, bottom + 18, f"{value:g}", "middle"))
    parts.append(_text((_LEFT + right) / 2, _HEIGHT - 8, x_label, "middle"))
    parts.append(_text(0, 14, y_label, "start"))
    for name, line in series:
        drawn = " ".join(_segments(line, place))
        parts.append(f'<path class="line {escape(name)}" d="{drawn}"/>')
    where = ""
    if marker:
        parts.append(
            f'<path class="marker" d="M0 {_TOP}V{bottom}" '
            f'transform="translate({_LEFT})"/>'
        )
        where = (
            f' data-left="{_LEFT}" data-right="{right}" '
            f'data-first="{first:g}" data-last="{last:g}"'
        )
    return Markup(
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"{where}>{"".join(parts)}</svg>'
    )


def ticks(low, high):
    """Round numbers within limits, some five of them.

    Args:
        low: Float.
        high: Float, greater than `low`.

    Returns:
        List of floats.

    Example:

    >>> ticks(0, 100)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(
        factor * power for factor in (1, 2, 5, 10) if factor * power >= rough
    )
    begin = math.ceil(low / step - 1e-9)
    end = math.floor(high / step + 1e-9)
    return [round(number * step, 10) + 0.0 for number in range(begin, end + 1)]


def _limits(values):
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _segments(line, place):
    pen = "M"
    for point in line:
        if not all(map(math.isfinite, point)):
            pen = "M"
            continue
        x, y = place(*point)
        yield f"{pen}{x:.1f} {y:.1f}"
        pen = "L"


def _text(x, y, text, anchor):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )

"""metrics.json as a table of a few lines."""

_COLUMNS = {
    "Top-1": ("top1_clas", "top1_loc"),
    "Top-5": ("top5_clas", "top5_loc"),
    "GT-known": (None, "gt_known_loc"),
}


def summary(metrics):
    """The accuracies as a table, without empty rows and columns.

    Args:
        metrics: What metrics.json holds.

    Returns:
        Text; intervals are those of a bootstrap over the images.
    """
    intervals = metrics["confidence_intervals"]
    lines = [
        f"{metrics['num_images']} images, protocol {metrics['protocol']}; in "
        f"percent, in brackets {intervals['level']} % intervals",
        *_table(_rows(metrics, intervals)),
    ]
    others = [
        f"{name} {_cell(metrics[key], intervals.get(key))}"
        for name, key in (
            ("MaxBoxAcc", "max_box_acc"),
            ("MaxBoxAccV2", "max_box_acc_v2"),
            ("PxAP", "pxap"),
        )
        if metrics[key] is not None
    ]
    if others:
        lines.append("   ".join(others))
    if metrics["baselines"]:
        whole, centre = (
            metrics["baselines"][name]["gt_known_loc"]
            for name in ("whole_image", "centre")
        )
        lines.append(
            "boxes that ignore the image reach a GT-known Loc of "
            f"{whole:.1f} (whole image), {centre:.1f} (best centred square)"
        )
    if metrics.get("faithfulness"):
        parts = (
            f"{name.replace('_', ' ')} {value:.1f}"
            for name, value in metrics["faithfulness"].items()
        )
        lines.append(f"faithfulness: {', '.join(parts)}")
    return "\n".join(lines)


def _rows(metrics, intervals):
    """Names of the rows and their cells, a dictionary by column."""
    exported = metrics.get("exported_tau") or {"of_model": None, "tau": None}
    val_images = ""
    if metrics.get("val_num_images"):
        val_images = f"{metrics['val_num_images']} images of "
    remarks = {
        "fixed_tau": "fixed",
        "exported_tau": (
            "exported"
            if exported["of_model"] == exported["tau"]
            else f"nearest to the exported {exported['of_model']:g}"
        ),
        "val_tau": f"chosen on {val_images}{metrics['val_split']}",
        "best_tau": "best here: oracle",
    }
    yield "Clas", _cells(metrics, intervals, place=0)
    for tau, remark in remarks.items():
        if metrics.get(tau):
            name = f"Loc at {metrics[tau]['tau']:g} ({remark})"
            yield name, _cells(metrics[tau], intervals[tau], place=1)


def _cells(values, bounds, place):
    keys = {column: keys[place] for column, keys in _COLUMNS.items()}
    return {
        column: _cell(values[key], bounds.get(key))
        for column, key in keys.items()
        if key and values[key] is not None
    }


def _cell(value, interval):
    bounds = "" if not interval else " ({:.1f}-{:.1f})".format(*interval)
    return f"{value:.1f}{bounds}"


def _table(rows):
    """Lines of the rows that have a cell, under the columns that have one."""
    rows = [("", {column: column for column in _COLUMNS}), *rows]
    rows = [(name, cells) for name, cells in rows if cells]
    if len(rows) == 1:
        return []
    columns = [
        column
        for column in _COLUMNS
        if any(column in cells for _, cells in rows[1:])
    ]
    lines = [name for name, _ in rows]
    for column in columns:
        width = max(map(len, lines)) + 3
        lines = [
            line.ljust(width) + cells.get(column, "")
            for line, (_, cells) in zip(lines, rows)
        ]
    return [line.rstrip() for line in lines]

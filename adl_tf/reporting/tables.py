"""Metrics and settings of runs, side by side."""

from adl_tf.localization.metrics import THRESHOLDS

_ANYWHERE = (
    ("top1_clas", "Top-1 Clas"),
    ("top5_clas", "Top-5 Clas"),
)
_AT_A_THRESHOLD = (
    ("gt_known_loc", "GT-known Loc"),
    ("top1_loc", "Top-1 Loc"),
    ("top5_loc", "Top-5 Loc"),
)
_OVER_THRESHOLDS = (
    ("max_box_acc", "MaxBoxAcc"),
    ("max_box_acc_v2", "MaxBoxAccV2"),
    ("pxap", "PxAP"),
)


def metric_groups(all_metrics, num_classes=None):
    """The accuracies of several runs under one protocol.

    Args:
        all_metrics: List of dictionaries of metrics.json, `None` for a run
            that was not evaluated under this protocol.
        num_classes: Number of classes, `None` if it is not known. With five
            or fewer, the top five are always right, and left out.

    Returns:
        List of tuples of a heading and a list of tuples of a label and a list
        of cells. A cell is a dictionary with `value`, `interval` and
        `difference` from the first run, as text, empty where unknown.
    """

    def shown(rows):
        few = num_classes is not None and num_classes <= 5
        return [row for row in rows if not (few and row[1].startswith("Top-5"))]

    groups = [("Class", _rows(all_metrics, (), shown(_ANYWHERE)))]
    for tau, meaning in THRESHOLDS.items():
        taus = [_at(metrics, (tau, "tau")) for metrics in all_metrics]
        known = [each for each in taus if each is not None]
        if not known:
            continue
        rows = _rows(all_metrics, (tau,), shown(_AT_A_THRESHOLD))
        if tau != "fixed_tau" or len(set(known)) > 1:
            rows.insert(0, ("Threshold", [_cell(each, "g") for each in taus]))
        heading = f"Box, threshold {meaning}"
        if tau == "fixed_tau":
            heading = f"Box, threshold fixed at {known[0]:g}"
        groups.append((heading, rows))
    groups.append(
        ("Over all thresholds", _rows(all_metrics, (), _OVER_THRESHOLDS))
    )
    baselines = [
        (label, cells)
        for key, label in (
            ("whole_image", "GT-known, whole image"),
            ("centre", "GT-known, best centred square"),
        )
        for label, cells in _rows(
            all_metrics, ("baselines", key), (("gt_known_loc", label),)
        )
    ]
    for _, cells in baselines:
        for cell in cells:
            cell["difference"] = ""  # The same for every run.
    groups.append(("Boxes that ignore the image", baselines))
    return [(heading, rows) for heading, rows in groups if rows]


def setting_rows(runs):
    """Flags and versions of several runs.

    Args:
        runs: List of `Run`.

    Returns:
        List of tuples of a name, a list of values (empty text where there is
        none) and whether they differ.
    """
    rows = []
    for kind in ("settings", "environment"):
        names = dict.fromkeys(name for run in runs for name in vars(run)[kind])
        for name in names:
            values = [_as_text(vars(run)[kind].get(name)) for run in runs]
            label = f"--{name}" if kind == "settings" else name
            rows.append((label, values, len(set(values)) > 1))
    return rows


def _rows(all_metrics, path, keys):
    rows = []
    for key, label in keys:
        values = [_at(metrics, (*path, key)) for metrics in all_metrics]
        if all(value is None for value in values):
            continue
        cells = []
        for metrics, value in zip(all_metrics, values):
            cell = _cell(value, ".1f")
            interval = _at(metrics, ("confidence_intervals", *path, key))
            if interval and value is not None:
                cell["interval"] = "{:.1f}–{:.1f}".format(*interval)
            if cells and None not in (value, values[0]):
                cell["difference"] = signed(value - values[0])
            cells.append(cell)
        rows.append((label, cells))
    return rows


def below_the_middle(name, metrics):
    """A warning of boxes that are worse than the same box for all images.

    Args:
        name: Name of the run.
        metrics: Dictionary of metrics.json, or `None`.

    Returns:
        Text, or `None` if they are not worse, or it is not known.
    """
    found = _at(metrics, ("best_tau", "gt_known_loc"))
    middle = _at(metrics, ("baselines", "centre", "gt_known_loc"))
    if found is None or middle is None or found >= middle:
        return None
    return (
        f"Even at its best threshold {name} boxes fewer objects ({found:.1f} "
        f"%) than the best centred square ({middle:.1f} %), which is the same "
        "box in the middle of every image."
    )


def stale(name, metrics, history):
    """A warning of a run that was trained further after its evaluation.

    Args:
        name: Name of the run.
        metrics: Dictionary of metrics.json, or `None`.
        history: List of dictionaries, one an epoch.

    Returns:
        Text, or `None` if it was not, or it is not known.
    """
    step = (metrics or {}).get("step")
    last = history[-1].get("step") if history else None
    if step is None or last is None or step >= last:
        return None
    return (
        f"{name} was evaluated at step {step}, and has been trained until "
        f"step {last:.0f} since: run adl_tf.evaluate again."
    )


def signed(difference):
    """A difference with its sign, and none for what rounds to nothing.

    Args:
        difference: Float.

    Returns:
        Text with one digit after the point.
    """
    text = f"{abs(difference):.1f}"
    if float(text) == 0:
        return text
    return f"{'+' if difference > 0 else '−'}{text}"


def _cell(value, form):
    text = "" if value is None else f"{value:{form}}"
    return {"value": text, "interval": "", "difference": ""}


def _at(values, path):
    for key in path:
        if not isinstance(values, dict):
            return None
        values = values.get(key)
    return values


def _as_text(value):
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)

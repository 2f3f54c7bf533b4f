"""What the pages tell users to type: commands, files, links and Python."""

import ast
import functools
import importlib.util
import inspect
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest
from absl.flags import FLAGS

from adl_tf import flags
from adl_tf.datasets.image_formats import ENDINGS, FORMATS
from adl_tf.flag_text import as_text
from adl_tf.models import weights
from adl_tf.registry import METHODS

ROOT = pathlib.Path(__file__).parents[1]
PLACES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "data/**/README.md")
PAGES = [
    str(path.relative_to(ROOT))
    for pattern in PLACES
    for path in sorted(ROOT.glob(pattern))
    if "download" not in path.parts
]
every_page = pytest.mark.parametrize("page", PAGES)
# Flags that are not ours.
FOREIGN_FLAGS = {"help", "signal", "requeue"}
# Blocks that read what a whole training leaves are compiled and no more.
NEEDS_A_TRAINED_MODEL = ("saved_model.load(", "Interpreter(")


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page, language):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text_of(page), re.M | re.S)
    return [text for name, text in fenced if name == language]


every_page_with_python = pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")]
)


def inline_code(page):
    """Code between single backticks, its line ends as spaces."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)
    return [" ".join(c.split()) for c in re.findall(r"`([^`]+)`", prose)]


def commands(page):
    """Lists of words after `python -m`, from shell blocks and from prose."""
    found = []
    for text in [*blocks(page, "sh"), *inline_code(page)]:
        if "python -m " not in text:
            continue
        text = re.sub(r"(^|\s)#.*$", "", text, flags=re.M)
        text = text.replace("\\\n", " ").replace("\n", " ; ")
        reader = shlex.shlex(text, posix=True, punctuation_chars=True)
        reader.whitespace_split = True
        words = []
        for word in [*reader, ";"]:
            if not set(word) <= set("();<>|&"):
                words.append(word)
                continue
            if words[1:2] == ["-m"] and words[0].endswith("python"):
                found.append(words[2:])
            words = []
    return found


# Parses a list of command lines of one module, and says what is wrong.
PARSER = """
import importlib, json, sys
module, lines = sys.argv[1], json.load(sys.stdin)
importlib.import_module(module)
from absl import flags
problems = []
for line in lines:
    flags.FLAGS.unparse_flags()
    try:
        rest = flags.FLAGS([module, *line])[1:]
    except flags.Error as error:
        rest = [str(error)]
    problems += [f"{' '.join(line)}: {each}" for each in rest]
print(json.dumps([problems, sorted(flags.FLAGS)]))
"""


@functools.cache
def parsed(module, lines=()):
    """Problems with command lines of a module, and the names of its flags."""
    if importlib.util.find_spec(module).submodule_search_locations:
        module += ".__main__"
    result = subprocess.run(
        [sys.executable, "-c", PARSER, module],
        input=json.dumps(lines),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@functools.cache
def helped(module):
    """Names of the flags that `--help` lists, wherever they are defined."""
    result = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(re.findall(r"^ *--(\w+)", result.stdout, re.M))


def test_commands_parse():
    """Flags exist, values are possible, and flagfiles of ours are there."""
    lines = {}
    for page in PAGES:
        for module, *arguments in commands(page):
            assert importlib.util.find_spec(module), f"{page}: {module}"
            if module.startswith("data."):
                named = re.findall(r"--(\w+)", " ".join(arguments))
                assert helped(module).issuperset(named), f"{page}: {named}"
            elif module.partition(".")[0] in ("adl_tf", "experiments"):
                # Readers' own flagfiles are not there.
                arguments = [
                    each
                    for each in arguments
                    if not re.match("--flagfile=(?!experiments/)", each)
                ]
                lines.setdefault(module, []).append(tuple(arguments))
    assert {"adl_tf.train", "adl_tf.evaluate", "adl_tf.export"} <= set(lines)
    problems = []
    for module, each in lines.items():
        problems += [f"{module} {p}" for p in parsed(module, tuple(each))[0]]
    assert not problems


def test_flags_in_prose_exist():
    """Between backticks: `--name`, and `--name=value` with a value it takes."""
    names = ("train", "evaluate", "export", "predict", "report")
    modules = [f"adl_tf.{name}" for name in (*names, "models", "datasets")]
    names = ("compare", "figures", "tables")
    modules += [f"experiments.{name}" for name in names]
    known = {module: set(parsed(module)[1]) for module in modules}
    others = set(FOREIGN_FLAGS)
    for module in {words[0] for page in PAGES for words in commands(page)}:
        if module.startswith("data."):
            others |= helped(module)
    lines = {module: [] for module in modules}
    for page in PAGES:
        for code in inline_code(page):
            named = set(re.findall(r"(?:^|\s)--(\w+)", code))
            if not code.startswith("--") or named <= others:
                continue
            fits = [m for m in modules if named <= known[m] | others]
            assert fits, f"{page}: {code}"
            if all(re.match(r"--\w+=", word) for word in code.split()):
                lines[fits[0]].append(tuple(code.split()))
    assert any(lines.values())
    for module in modules:
        assert not parsed(module, tuple(lines[module]))[0]


@every_page
def test_files_and_links_exist(page):
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        path = (folder / path).resolve() if path else ROOT / page
        assert path.exists(), target
        if anchor:
            assert anchor in _anchors(path.read_text()), target
    rooms = "adl_tf|docs|experiments|benchmarks|tests|data"
    words = [*inline_code(page), *" ".join(blocks(page, "sh")).split()]
    for word in words:
        match = re.search(rf"(?:^|=)((?:{rooms})/[\w./-]+)$", word)
        if match and "NAME" not in word:
            assert (ROOT / match[1]).exists(), word


def _anchors(text):
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


@every_page_with_python
def test_names_in_python_exist(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), alias.name


def test_tables_of_methods():
    """docs/methods.md: flags, Python arguments, defaults."""
    lines = re.findall(r"^\| (`--.*) \|", text_of("docs/methods.md"), re.M)
    rows = [line.split(" | ") for line in lines]
    rows = [cells for cells in rows if len(cells) < 5]  # not the backbones
    options = 0
    for cells in rows:
        flag = FLAGS[cells[0].strip("`-")]
        if len(cells) == 4:
            options += 1
            method = METHODS[flag.name.partition("_")[0]]
            known = inspect.signature(method).parameters
            assert cells.pop(1).strip("`") in known
        if flag.default is not None:
            assert cells[1] == f"`{as_text(flag.default)}`", flag.name
    assert len(rows) == options + 10
    assert options == sum(
        name.partition("_")[0] in METHODS for name in flags.RUN_NAMES
    )


@pytest.mark.slow
@every_page_with_python
def test_python_runs(page, tmp_path, monkeypatch):
    """Block after block, as a reader would; no ImageNet weights, no data."""
    monkeypatch.chdir(tmp_path)
    # Where ImageNet's weights would come from the network: random ones.
    monkeypatch.setattr(weights, "_download", _untrained)
    for name in ("ResNet50", "MobileNetV2"):
        build = getattr(keras.applications, name)
        monkeypatch.setattr(
            keras.applications, name, functools.partial(build, weights=None)
        )
    names = _stand_ins(tmp_path)
    for block in blocks(page, "python"):
        code = compile(block, page, "exec")
        if not any(call in block for call in NEEDS_A_TRAINED_MODEL):
            exec(code, names)


def test_script_for_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (script,) = blocks("docs/your_data.md", "python")
    root = tmp_path / "my_images"
    boxes = _stand_ins(tmp_path)["boxes"]
    for wrong in ("0.jpg", str(root / "a" / "0.jpg")):
        with pytest.raises(SystemExit, match=f", such as {wrong}$"):
            exec(script, {"boxes": {**boxes, wrong: (3, 4, 17, 15)}})
        assert not (root / "metadata").exists()
    exec(script, {"boxes": boxes})
    # 3 images would be a poor validation.
    assert _sizes_of_splits(root) == {"train": 33, "test": 7}
    exec(script, {"boxes": _stand_ins(tmp_path, 310)["boxes"]})
    assert _sizes_of_splits(root) == {"train": 219, "val": 30, "test": 61}


@pytest.mark.parametrize("page", ["docs/your_data.md", "docs/serving.md"])
def test_formats_of_images(page):
    prose = " ".join(text_of(page).split())
    assert all(name in prose for name in FORMATS)
    named = re.findall(r"`(\.\w+)`", prose)
    assert set(named) <= {*ENDINGS, ".npy", ".npz", ".pth", ".pt"}


def _untrained(backbone):
    return {layer.name: layer.get_weights() for layer in backbone.model.layers}


def _stand_ins(folder, count=40):
    """What the pages say a reader has: images, a heatmap, boxes."""
    import cv2

    boxes = {}
    for number in range(count):
        path = f"{'ab'[number % 2]}/{number}.jpg"
        (folder / "my_images" / path).parent.mkdir(parents=True, exist_ok=True)
        image = np.full((20, 30, 3), 6 * number % 256, np.uint8)
        cv2.imwrite(str(folder / "my_images" / path), image)
        if number != 5:
            boxes[path] = (3, 4, 17, 15)
    heatmap = np.zeros((224, 224), np.float32)
    heatmap[40:120, 60:160] = 1.0
    return {
        "images": np.zeros((2, 224, 224, 3), np.float32),
        "heatmap": heatmap,
        "boxes": boxes,
    }


def _sizes_of_splits(folder):
    from adl_tf.datasets.load import load_examples, split_names

    sizes = {}
    for split in split_names("metadata", str(folder)):
        examples = load_examples("metadata", str(folder), split)
        sizes[split] = len(examples)
        assert examples.class_names == ["a", "b"]
        for path, label in zip(examples.image_ids, examples.labels):
            assert label == "ab".index(path[0])
        boxes = [each.tolist() for each in examples.boxes]
        without = [] if split == "train" else [[3, 4, 17, 15]]
        assert all(each in ([[3, 4, 17, 15]], without) for each in boxes)
        # The one without a box.
        assert ("b/5.jpg" in examples.image_ids) == (split == "train")
    return sizes

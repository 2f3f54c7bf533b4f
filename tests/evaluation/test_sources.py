"""`adl_tf.evaluate` on each of its sources: they have to agree."""

import json
import pathlib
import shutil

import cv2
import numpy as np
import pytest

from adl_tf import evaluate
from adl_tf.errors import DataError, UsageError
from adl_tf.registry import PROTOCOLS
from tests.datasets.text_files import write
from tests.in_process import call


def run(*arguments):
    """The command, up to where it would print an error; what it wrote."""
    arguments = [str(argument) for argument in arguments]
    call(evaluate, *arguments, from_workdir=True)
    folders = dict(each.removeprefix("--").split("=", 1) for each in arguments)
    folder = pathlib.Path(folders["output_dir"])
    records = (folder / "per_image.jsonl").read_text().splitlines()
    metrics = json.loads((folder / "metrics.json").read_text())
    return metrics, [json.loads(record) for record in records]


@pytest.fixture(scope="module")
def scored(trained, tmp_path_factory):
    """What --workdir gives under each protocol, with its heatmaps."""
    root = tmp_path_factory.mktemp("scored")
    return {
        protocol: (
            *run(
                f"--workdir={trained.workdir}",
                f"--protocol={protocol}",
                f"--output_dir={root}/{protocol}",
                f"--save_heatmaps={root}/{protocol}/maps",
                "--val_split=train",
            ),
            root / protocol,
        )
        for protocol in PROTOCOLS
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_saved_heatmaps_score_the_same(
    trained, data_dir, scored, tmp_path, protocol
):
    metrics, records, folder = scored[protocol]
    assert metrics["num_images"] == 9
    crops = protocol == "adl_cvpr19"
    sizes = [
        metrics["rules"].get(f"{name}_size") for name in ("input", "resize")
    ]
    assert sizes == ([32, 36] if crops else [None, None])
    again, same_records = run(
        f"--heatmaps={folder}/maps",
        f"--metadata={data_dir}",
        f"--predictions={folder}/per_image.jsonl",
        f"--protocol={protocol}",
        f"--output_dir={tmp_path}/again",
        f"--input_size={trained.input_size}",
        f"--resize_size={trained.resize_size}",
    )
    assert same_records == records
    assert again["num_missing"] == 0
    for name in (
        "protocol",
        "rules",
        "num_images",
        "top1_clas",
        "curve",
        "max_box_acc",
        "max_box_acc_v2",
        "max_box_acc_v2_parts",
        "baselines",
    ):
        assert again[name] == metrics[name]
    for tau in ("fixed_tau", "best_tau"):
        for name in ("tau", "gt_known_loc", "top1_loc"):
            assert again[tau][name] == metrics[tau][name]
    # per_image.jsonl has no first five.
    assert again["top5_clas"] is again["best_tau"]["top5_loc"] is None


def test_threshold_of_another_split(trained, scored, tmp_path):
    metrics, _, folder = scored["adl_cvpr19"]
    train, _ = run(
        f"--workdir={trained.workdir}",
        f"--output_dir={tmp_path}/train",
        "--split=train",
    )
    assert train["num_images"] == 24
    tau = train["best_tau"]["tau"]
    assert metrics["val_split"] == "train"
    assert metrics["val_num_images"] == 24
    assert metrics["val_tau"]["tau"] == tau
    place = metrics["curve"]["tau"].index(tau)
    for name in ("gt_known_loc", "top1_loc"):
        assert metrics["val_tau"][name] == metrics["curve"][name][place]
    assert train["val_tau"] is None
    # The heatmaps of the split that is scored are saved, not those of both.
    saved = {path.name for path in (folder / "maps").rglob("*.npy")}
    assert saved == {f"{number}.png.npy" for number in range(9)}


def test_a_part_of_the_classes_is_told(trained, tmp_path):
    metrics, _ = run(
        f"--workdir={trained.workdir}",
        f"--output_dir={tmp_path}",
        "--classes=2",
    )
    assert metrics["classes"] == "2"
    assert metrics["num_images"] == 4


def test_a_threshold_is_not_chosen_on_what_it_is_judged_on(
    trained, data_dir, tmp_path
):
    with pytest.raises(UsageError, match="share 9 images"):
        run(
            f"--workdir={trained.workdir}",
            f"--output_dir={tmp_path}",
            "--val_split=test",
        )
    # A folder of one split would be taken for both.
    with pytest.raises(UsageError, match="is one split"):
        run(
            f"--heatmaps={tmp_path}",
            f"--metadata={data_dir}/metadata/test",
            f"--output_dir={tmp_path}",
            "--val_split=val",
        )


def of_saved_model(saved_model, trained, output_dir, *arguments):
    return run(
        f"--saved_model={saved_model}",
        "--dataset=metadata",
        f"--data_dir={trained.data_dir}",
        f"--output_dir={output_dir}",
        *arguments,
    )


def test_exported_model(trained, saved_model, scored, tmp_path):
    metrics, records, _ = scored["adl_cvpr19"]
    found, same_records = of_saved_model(saved_model, trained, tmp_path)
    for name in ("top1_clas", "top5_clas", "num_images", "protocol"):
        assert found[name] == metrics[name]
    for name in ("image_id", "label", "predicted"):
        assert [r[name] for r in same_records] == [r[name] for r in records]
    np.testing.assert_allclose(
        [r["probability"] for r in same_records],
        [r["probability"] for r in records],
        atol=1e-4,
    )
    # What images were warped to is known to the exported model.
    assert found["baselines"] == metrics["baselines"]
    # Exported at 0.3, a threshold of this protocol.
    tau = found["exported_tau"]
    assert tau["tau"] == tau["of_model"] == 0.3
    place = found["curve"]["tau"].index(0.3)
    assert tau["gt_known_loc"] == found["curve"]["gt_known_loc"][place]
    low, high = found["confidence_intervals"]["exported_tau"]["gt_known_loc"]
    assert low <= tau["gt_known_loc"] <= high
    assert metrics["exported_tau"] is None
    # TensorFlow and OpenCV enlarge maps with other roundings.
    np.testing.assert_allclose(
        found["curve"]["gt_known_loc"],
        metrics["curve"]["gt_known_loc"],
        atol=100 / 9 + 0.01,
    )
    if found["best_tau"]["tau"] == metrics["best_tau"]["tau"]:
        apart = np.abs(
            np.subtract(
                [r["box"] for r in same_records], [r["box"] for r in records]
            )
        ).max(axis=1)
        assert np.mean(apart <= 1) > 0.8


def test_exported_model_enlarges_its_maps_itself(
    trained, saved_model, tmp_path, capsys
):
    metrics, _ = of_saved_model(
        saved_model, trained, tmp_path, "--protocol=wsoleval_cvpr20"
    )
    name = "wsoleval_cvpr20+interpolation=bilinear"
    assert metrics["protocol"] == metrics["rules"]["name"] == name
    assert metrics["rules"]["interpolation"] == "bilinear"
    # Its threshold is one of other levels.
    assert metrics["exported_tau"] is None
    assert "own boxes follow adl_cvpr19" in capsys.readouterr().out
    with pytest.raises(UsageError, match="normalization=min_max alone"):
        of_saved_model(
            saved_model,
            trained,
            tmp_path,
            "--protocol_options=normalization=max",
        )


def test_not_an_exported_model(trained, tmp_path):
    with pytest.raises(DataError, match="not a model that adl_tf.export wrote"):
        of_saved_model(tmp_path, trained, tmp_path / "out")


def test_grad_cam_and_options(trained, scored, tmp_path):
    metrics, _, _ = scored["adl_cvpr19"]
    found, _ = run(
        f"--workdir={trained.workdir}",
        f"--output_dir={tmp_path}",
        "--heatmap=grad_cam",
        "--faithfulness=true",
        "--protocol_options=largest_by=area,ground_truth=first",
    )
    faithful = found["faithfulness"]
    assert all(0 <= share <= 100 for share in faithful.values())
    # What is on the heatmap tells the squares apart, and not what is off it.
    assert faithful["insertion"] > faithful["deletion"]
    assert found["heatmap"] == "grad_cam"
    assert found["protocol"] == "adl_cvpr19+largest_by=area,ground_truth=first"
    np.testing.assert_allclose(
        found["curve"]["gt_known_loc"],
        metrics["curve"]["gt_known_loc"],
        atol=100 / 9 + 0.01,
    )


def test_heatmap_that_does_not_fit_is_refused_in_a_line(trained, tmp_path):
    with pytest.raises(UsageError, match="needs a model with attention"):
        run(
            f"--workdir={trained.workdir}",
            f"--output_dir={tmp_path}",
            "--heatmap=attention_rollout",
        )


def masked(data_dir, root):
    """The data set with masks in place of the boxes."""
    shutil.copytree(data_dir, root)
    path = root / "metadata" / "test" / "localization.txt"
    lines = []
    for line in path.read_text().splitlines():
        name, *box = line.split(",")
        x0, y0, x1, y1 = map(int, box)
        mask = np.zeros((40, 40), np.uint8)
        mask[y0 : y1 + 1, x0 : x1 + 1] = 255
        cv2.imwrite(str(root / f"{name}.mask.png"), mask)
        lines.append(f"{name},{name}.mask.png,")
    path.write_text("\n".join(lines))
    return root


def test_masks_alone(trained, data_dir, tmp_path, capsys):
    root = masked(data_dir, tmp_path / "masked")
    metrics, records = run(
        f"--workdir={trained.workdir}",
        f"--data_dir={root}",
        f"--output_dir={tmp_path}/out",
    )
    assert 0 < metrics["pxap"] < 100
    assert metrics["best_tau"] is metrics["curve"] is None
    assert metrics["top1_clas"] > 75
    assert all(record["box"] is record["tau"] is None for record in records)
    printed = capsys.readouterr().out
    assert "PxAP" in printed and "Loc at" not in printed
    arguments = (
        f"--heatmaps={tmp_path}",
        f"--metadata={root}",
        "--allow_missing=true",
        f"--output_dir={tmp_path}/out",
    )
    # Everywhere 0: as precise as all pixels together.
    (tmp_path / "test").mkdir()
    np.save(tmp_path / "test" / "0.png.npy", np.zeros((32, 32)))
    metrics, _ = run(*arguments)
    share = (16 * 36 / 40 / 32) ** 2  # Images are warped, then cropped.
    assert metrics["pxap"] == pytest.approx(100 * share, abs=2)
    assert metrics["num_missing"] == 8
    printed = capsys.readouterr().out
    assert "Top-1" not in printed and "GT-known" not in printed
    with pytest.raises(DataError, match="cannot be chosen without boxes"):
        run(*arguments, "--split=train", "--val_split=test")


@pytest.mark.parametrize("flag", ["split", "val_split"])
def test_a_split_without_ground_truth_is_named(trained, tmp_path, flag):
    splits = {"split": "boxed", "val_split": "boxed", flag: "bare"}
    for name in splits.values():
        image = f"{name}.png"
        cv2.imwrite(str(tmp_path / image), np.zeros((9, 9, 3), np.uint8))
        folder = tmp_path / "metadata" / name
        write(folder, "image_ids.txt", [image])
        write(folder, "class_labels.txt", [f"{image},0"])
        write(folder, "image_sizes.txt", [f"{image},9,9"])
        if name == "boxed":
            write(folder, "localization.txt", [f"{image},1,1,5,5"])
    with pytest.raises(DataError) as caught:
        run(
            f"--workdir={trained.workdir}",
            f"--data_dir={tmp_path}",
            f"--output_dir={tmp_path}/out",
            *(f"--{each}={name}" for each, name in splits.items()),
        )
    assert f"--{flag}=bare: " in str(caught.value)
    assert "localization.txt" in str(caught.value)
    assert "adl_tf.predict work" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "one of --workdir, --saved_model and --heatmaps is needed"),
        (("--saved_model=a", "--heatmaps=b"), "--saved_model and --heatmaps"),
        (("--heatmaps=a", "--metadata=b"), "--heatmaps needs --output_dir"),
        (("--heatmaps=a", "--output_dir=o"), "--heatmaps needs --metadata"),
        (("--heatmaps=a", "--heatmap=cam"), "--heatmap does not go"),
        (("--heatmaps=a", "--save_heatmaps=b"), "--save_heatmaps does not"),
        (("--heatmaps=a", "--dataset=cub"), "--dataset does not go with"),
        (("--saved_model=a", "--metadata=b"), "--metadata does not go with"),
        (("--saved_model=a", "--allow_missing"), "--allow_missing does not"),
        (("--saved_model=a", "--heatmap=grad_cam"), "--heatmap does not go"),
        (
            (
                "--heatmaps=a",
                "--metadata=b",
                "--output_dir=o",
                "--protocol_options=largest=box",
            ),
            "--protocol_options: 'largest=box' is none of the rules: ",
        ),
    ],
)
def test_wrong_combinations(arguments, words):
    with pytest.raises(UsageError, match=words) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)
    assert caught.value.status == 2


def test_classes_are_matched_by_name(trained, scored, data_dir, tmp_path):
    """A test split that numbers the classes the other way round."""
    metrics, records, _ = scored["adl_cvpr19"]
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    write(workdir, "class_names.txt", ["blue", "red"])
    root = tmp_path / "data"
    shutil.copytree(data_dir, root)
    folder = root / "metadata" / "test"
    labels = [line.split(",") for line in _lines(folder / "class_labels.txt")]
    write(
        folder,
        "class_labels.txt",
        [f"{name},{1 - int(label)}" for name, label in labels],
    )
    arguments = (
        f"--workdir={workdir}",
        f"--data_dir={root}",
        f"--output_dir={tmp_path}/scores",
    )
    # Without names, the numbers are all there is, and they are wrong.
    assert run(*arguments)[0]["top1_clas"] < metrics["top1_clas"]
    write(folder, "class_names.txt", ["red", "blue"])
    found, same_records = run(*arguments)
    assert found["top1_clas"] == metrics["top1_clas"]
    assert found["curve"] == metrics["curve"]
    assert [each["label"] for each in same_records] == [
        each["label"] for each in records
    ]
    write(folder, "class_names.txt", ["red", "azure"])
    with pytest.raises(DataError, match="'azure', which is none of the 2"):
        run(*arguments)


def _lines(path):
    return path.read_text().split()

"""A probe on a tiny random CLIP, through the very classes and files of a real one."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.conftest import Outcome
from waste_edge.dataset import SplitSpec, open_dataset
from waste_edge.errors import ConfigError, RunError, UserError
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.composites.probe import (
    STORE_NAME,
    EmbeddingCache,
    cache_folder,
    embed_photos,
    fit_probe,
    linear_layer_of,
)
from waste_edge.training.evaluation.evaluate import evaluate_run, predict
from waste_edge.training.input_pipeline.inputs import InputReader
from waste_edge.training.networks.clip import ClipProbe, identity, load_encoder
from waste_edge.training.networks.hub import quiet_transformers
from waste_edge.training.recipe import BackgroundSpec, FitSpec, OutlierSpec, ProbeSpec, Recipe, read_recipe
from waste_edge.training.runs import open_run
from waste_edge.training.train import train
from waste_edge.training.train_request import TrainRequest

VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
          "image_size": 32, "patch_size": 16, "projection_dim": 16}  # fmt: skip
SEES = InputSpec(width_px=32, height_px=32)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the hub would give it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    with quiet_transformers():
        CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "waste-edge" / "embeddings"


def recipe(encoder: Path | str, **probe: object) -> Recipe:
    return Recipe(name="tiny_probe", probe=ProbeSpec(encoder=str(encoder), c=100.0, **probe), input=SEES)  # type: ignore[arg-type]


def request(recipe: Recipe, data: Path, out: Path) -> TrainRequest:
    def never(_recipe: Recipe) -> object:
        raise AssertionError("no network is trained")

    return TrainRequest(recipe, data, out, watch=never)  # type: ignore[arg-type]


def test_a_probe_learns_colours_and_is_a_run_like_any_other(colour_photos: Path, encoder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(encoder, tmp_path / "encoder"))
    info = train(request(recipe(copy), colour_photos, tmp_path / "run"))
    assert info.scores is not None
    assert info.scores.accuracy > 0.8, "chance is a third"
    assert info.pictures == {"train": 24, "val": 6, "test": 0}
    shutil.rmtree(copy)  # the run holds its encoder
    run = open_run(tmp_path / "run")
    assert run.info == info
    scores, _ = evaluate_run(run.folder, colour_photos, "auto", lambda done, total: None)
    assert scores.confusion == info.scores.confusion
    logits, features = predict(run.network, run.reader(), open_dataset(colour_photos).photos[:3])
    assert (logits.shape, features.shape) == ((3, 3), (3, 16))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, rtol=1e-5)
    assert not list(run.folder.rglob("*.pkl"))


@pytest.mark.parametrize("labels", [2, 4])
def test_the_linear_layer_is_the_regression(labels: int) -> None:
    generator = np.random.default_rng(0)
    x, truth = generator.normal(size=(80, 5)), np.arange(80) % labels
    x[:, 0] += truth
    regression = LogisticRegression(C=0.316, max_iter=1000).fit(x, truth)
    layer = nn.Linear(5, labels)
    linear_layer_of(regression, layer)
    with torch.no_grad():
        logits = layer(torch.from_numpy(x).float())
    decided = logits.numpy() if labels > 2 else (logits[:, 1] - logits[:, 0]).numpy()
    np.testing.assert_allclose(decided, regression.decision_function(x), atol=1e-5)
    np.testing.assert_allclose(torch.softmax(logits, 1).numpy(), regression.predict_proba(x), atol=1e-5)


def test_the_encoder_sees_what_clip_was_trained_to_see(encoder: Path) -> None:
    loaded = load_encoder(ProbeSpec(encoder=str(encoder)))
    levels = torch.randint(0, 256, (2, 3, 32, 32)).float()
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)  # openai/CLIP, clip/clip.py
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
    wanted = loaded(pixel_values=(levels / 256 - mean) / deviation).image_embeds
    got = ClipProbe(loaded, 2).embed((levels - 128) / 128)
    torch.testing.assert_close(got, wanted / wanted.norm(dim=1, keepdim=True))


def test_a_whole_clip_gives_its_image_half(encoder: Path, tmp_path: Path) -> None:
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1,
            "vocab_size": 20, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}  # fmt: skip
    own = {key: value for key, value in VISION.items() if key != "projection_dim"}
    whole = CLIPModel(CLIPConfig(text_config=text, vision_config=own, projection_dim=24)).eval()
    with quiet_transformers():
        whole.save_pretrained(tmp_path / "whole")
    loaded = load_encoder(ProbeSpec(encoder=str(tmp_path / "whole")))
    pixels = torch.randn(2, 3, 32, 32)
    wanted = whole.visual_projection(whole.vision_model(pixel_values=pixels).pooler_output)
    torch.testing.assert_close(loaded(pixel_values=pixels).image_embeds, wanted)


def test_random_weights_need_a_configuration_only_and_follow_the_seed(encoder: Path, tmp_path: Path) -> None:
    shutil.copy(encoder / "config.json", tmp_path / "config.json")
    first, again, other = (
        identity(load_encoder(ProbeSpec(encoder=str(tmp_path), pretrained=False, seed=seed))) for seed in (1, 1, 2)
    )
    assert first == again != other


def entries(cache: Path) -> dict[bytes, bytes]:
    """Names and contents of what is kept."""
    with contextlib.closing(sqlite3.connect(cache / STORE_NAME)) as store:
        return dict(store.execute("SELECT name, content FROM embeddings"))


def test_embeddings_are_computed_once(colour_photos: Path, encoder: Path, cache: Path) -> None:
    network = ClipProbe(load_encoder(ProbeSpec(encoder=str(encoder))), 3)
    photos = open_dataset(colour_photos).photos[:5]
    told: list[tuple[int, int]] = []
    first = embed_photos(network, InputReader(SEES), photos, 2, lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert len(entries(cache)) == 5
    told.clear()
    second = embed_photos(network, InputReader(SEES), photos, 2, lambda done, total: told.append((done, total)))
    assert told == []
    np.testing.assert_array_equal(first, second)
    blurred = InputSpec(width_px=32, height_px=32, blur_sigma_px=1.0)
    assert not np.array_equal(embed_photos(network, InputReader(blurred), photos, 2, lambda d, t: None), first)


@pytest.mark.parametrize("damage", ["cut", "another's", "flipped", "empty", "no number", "longer"])
def test_a_bad_entry_is_computed_again(colour_photos: Path, encoder: Path, cache: Path, damage: str) -> None:
    network = ClipProbe(load_encoder(ProbeSpec(encoder=str(encoder))), 3)
    photos = [*open_dataset(colour_photos).photos[:1], *open_dataset(colour_photos).photos[-1:]]
    before = embed_photos(network, InputReader(SEES), photos, 2, lambda done, total: None)
    (name, content), (_, another) = sorted(entries(cache).items())
    bad = {
        "cut": content[:-7],
        "another's": another,
        "flipped": content[:-1] + bytes([content[-1] ^ 1]),
        "empty": b"",
        "no number": b"\xff" * len(content),
        "longer": content + b"more",
    }[damage]
    with contextlib.closing(sqlite3.connect(cache / STORE_NAME)) as store, store:
        store.execute("UPDATE embeddings SET content = ? WHERE name = ?", (bad, name))
    computed: list[int] = []
    after = embed_photos(network, InputReader(SEES), photos, 2, lambda done, total: computed.append(total))
    assert computed == [1]
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert entries(cache)[name] != bad


def test_a_damaged_store_is_begun_anew(colour_photos: Path, encoder: Path, cache: Path) -> None:
    network = ClipProbe(load_encoder(ProbeSpec(encoder=str(encoder))), 3)
    photos = open_dataset(colour_photos).photos[:2]
    cache.mkdir(parents=True)
    (cache / STORE_NAME).write_bytes(b"no database" * 1000)
    embed_photos(network, InputReader(SEES), photos, 2, lambda done, total: None)
    assert len(entries(cache)) == 2


def test_another_encoder_has_entries_of_its_own(tmp_path: Path) -> None:
    ours, theirs = (EmbeddingCache(tmp_path, name, SEES, 2) for name in ("ours", "theirs"))
    ours.put([("aa", np.array([1, 2], np.float32))])
    assert theirs.get("aa") is None
    assert ours.get("bb") is None
    np.testing.assert_array_equal(ours.get("aa"), [1, 2])  # type: ignore[arg-type]
    ours.close()
    theirs.close()


def test_a_cache_folder_that_is_not_absolute_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    assert cache_folder() == Path.home() / ".cache" / "waste-edge" / "embeddings"


def test_a_cache_that_cannot_be_made_says_what_to_set(
    colour_photos: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        fit_probe(request(recipe(encoder), colour_photos, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("another model", "model_type is 'bert'"),
        ("no configuration", "no config.json"),
        ("a pickle", r"no \.safetensors weights"),
        ("half", "lacks .* of the image encoder's tensors"),
        ("cut", "cannot be read"),
    ],
)
def test_what_is_no_clip_is_refused_in_one_line(encoder: Path, tmp_path: Path, change: str, names: str) -> None:
    folder = Path(shutil.copytree(encoder, tmp_path / "encoder"))
    weights, config = folder / "model.safetensors", folder / "config.json"
    if change == "another model":
        config.write_text(json.dumps({"model_type": "bert"}))
    elif change == "no configuration":
        config.unlink()
    elif change == "a pickle":
        weights.rename(folder / "pytorch_model.bin")
    elif change == "cut":
        weights.write_bytes(weights.read_bytes()[:-9])
    else:
        from safetensors.torch import load_file, save_file

        state = load_file(weights)
        save_file({name: state[name] for name in state if "layers.1" not in name}, weights, {"format": "pt"})
    with pytest.raises(ConfigError, match=names) as caught:
        load_encoder(ProbeSpec(encoder=str(folder)))
    assert "\n" not in str(caught.value)


def test_offline_a_name_is_one_line_within_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    began = time.monotonic()
    with pytest.raises(UserError, match=r"probe\.encoder: 'nobody/no-such-clip' is no local folder") as caught:
        load_encoder(ProbeSpec(encoder="nobody/no-such-clip"))
    assert time.monotonic() - began < 20
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="neither a folder nor a name"):
        load_encoder(ProbeSpec(encoder="no such folder/at/all"))


def test_what_a_probe_would_ignore_is_refused(colour_photos: Path, encoder: Path, tmp_path: Path) -> None:
    fitted = msgspec.structs.replace(recipe(encoder), fit=FitSpec(epochs=1))
    with pytest.raises(ConfigError, match=r"\[fit\]"):
        train(request(fitted, colour_photos, tmp_path / "run"))
    for part, given in (("backgrounds", BackgroundSpec(share=0.5)), ("strangers", OutlierSpec(views=2))):
        with pytest.raises(ConfigError, match=rf"\[{part}\] means nothing to a probe"):
            train(request(msgspec.structs.replace(recipe(encoder), **{part: given}), colour_photos, tmp_path / "run"))
    with pytest.raises(ConfigError, match="--weights"):
        train(replace(request(recipe(encoder), colour_photos, tmp_path / "run"), weights=tmp_path / "w.safetensors"))
    wide = msgspec.structs.replace(recipe(encoder), input=InputSpec(width_px=64, height_px=32))
    with pytest.raises(ConfigError, match=r"must be 32.*got 64 and 32"):
        train(request(wide, colour_photos, tmp_path / "run"))
    hasty = recipe(encoder, max_iter=1)
    with pytest.raises(UserError, match=r"raise probe\.max_iter"):
        train(request(hasty, colour_photos, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_run_with_a_damaged_encoder_is_refused(colour_photos: Path, encoder: Path, tmp_path: Path) -> None:
    test_part = msgspec.structs.replace(recipe(encoder), split=SplitSpec(val_fraction=0.2, test_fraction=0.2))
    info = train(request(test_part, colour_photos, tmp_path / "run"))
    assert info.test_scores is not None
    (tmp_path / "run" / "encoder" / "config.json").write_text("{}")
    with pytest.raises(RunError, match="encoder cannot be built"):
        open_run(tmp_path / "run")


def test_the_shipped_recipe_has_the_published_settings(colour_photos: Path, encoder: Path, tmp_path: Path) -> None:
    shipped = read_recipe("clip_probe")
    assert shipped.probe is not None
    assert (shipped.probe.c, shipped.probe.max_iter) == (0.316, 1000)
    small = read_recipe("clip_probe", [f"probe.encoder={encoder}", "input.width_px=32", "input.height_px=32"])
    info = train(request(small, colour_photos, tmp_path / "run"))
    assert info.recipe == small


def test_the_verbs_know_probes(waste_edge: object, colour_photos: Path, encoder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    sets = [f"probe.encoder={encoder}", "probe.c=100", "input.width_px=32", "input.height_px=32"]
    arguments = [word for one in sets for word in ("--set", one)]
    outcome: Outcome = waste_edge("train", "clip_probe", "--data", colour_photos, "--out", out, *arguments)  # type: ignore[operator]
    assert outcome.exit_code == 0, outcome.stderr
    assert "validation accuracy" in outcome.stdout
    page = tmp_path / "page.html"
    scored: Outcome = waste_edge("evaluate", out, "--data", colour_photos, "--json", "--report", page)  # type: ignore[operator]
    assert scored.exit_code == 0, scored.stderr
    assert "Worst mistakes" in page.read_text(encoding="utf-8")

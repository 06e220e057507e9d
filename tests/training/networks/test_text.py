"""Networks that read, through the very code and classes that a downloaded DistilBERT would go through."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertConfig, DistilBertConfig

from tests.reading import WORDS, train_miniature
from waste_edge.errors import ConfigError, DataError, RunError, UserError
from waste_edge.training.evaluation.evaluate import evaluate_run
from waste_edge.training.loop.initialization import starting_network
from waste_edge.training.networks import count_parameters, feature_count
from waste_edge.training.networks.text import TextNetwork, starting_encoder
from waste_edge.training.recipe import TextSpec, read_recipe
from waste_edge.training.runs import open_run


def spec(encoder: Path, pretrained: bool = False, max_tokens: int = 16) -> TextSpec:
    return TextSpec(encoder=str(encoder), pretrained=pretrained, source="column", max_tokens=max_tokens)


def saved(source: Path, folder: Path) -> Path:
    """A copy of an encoder's folder with weights of its own."""
    shutil.copytree(source, folder)
    torch.manual_seed(4)
    model = AutoModel.from_config(DistilBertConfig.from_pretrained(source))
    model.save_pretrained(folder)
    return folder


def test_the_published_shapes() -> None:
    with torch.device("meta"):
        network = TextNetwork(AutoModel.from_config(DistilBertConfig()), 4, dropout=0.2)
    assert count_parameters(network.encoder) == 66_362_880, "distilbert-base-uncased"
    assert count_parameters(network.classifier) == (768 * 768 + 768) + (768 * 4 + 4)
    assert feature_count(network) == 768
    recipe = read_recipe("distilbert_text")
    assert recipe.text is not None
    assert (recipe.text.encoder, recipe.text.max_tokens) == ("distilbert-base-uncased", 64)
    fit = recipe.trained
    assert (fit.learning_rate, fit.clip_norm, fit.stop_after) == (3e-5, 1.0, 4)
    assert (fit.schedule, fit.warmup_epochs / fit.epochs) == ("linear", 0.1)


def test_texts_are_padded_to_the_longest_and_cut(tiny_encoder: Path) -> None:
    tokenize = starting_encoder(spec(tiny_encoder, max_tokens=4)).tokenize
    tokens, mask = tokenize(["the old can", "jar", ""])
    cls, sep = WORDS.index("[CLS]"), WORDS.index("[SEP]")
    assert tokens.tolist() == [
        [cls, WORDS.index("the"), WORDS.index("old"), sep],
        [cls, WORDS.index("jar"), sep, 0],
        [cls, sep, 0, 0],
    ]
    assert mask.tolist() == [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]
    assert tokens.dtype == mask.dtype == torch.int64


def test_the_company_a_text_is_in_changes_nothing(tiny_encoder: Path) -> None:
    encoder = starting_encoder(spec(tiny_encoder))
    network = TextNetwork(encoder.network, 3, 0.0).eval()
    with torch.no_grad():
        alone, _ = network(*encoder.tokenize(["navy can"]))
        padded, _ = network(*encoder.tokenize(["navy can", "the old leafy jar the old leafy jar"]))
        other, _ = network(*encoder.tokenize(["crimson can"]))
    torch.testing.assert_close(alone[0], padded[0])
    assert not torch.allclose(alone[0], other[0])


def test_a_text_model_learns_and_its_run_needs_nothing_else(
    reading_recipes: Path, talking_photos: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))
    rows = [line.split(",") for line in talking_photos.read_text().splitlines()[1:]]
    data = tmp_path / "texts.csv"
    data.write_text("text,label\n" + "".join(f"{row[3]}{' a' * index},{row[1]}\n" for index, row in enumerate(rows)))
    info = train_miniature(reading_recipes / "reads.toml", data, tmp_path / "run", f"text.encoder={own}")
    assert info.scores is not None
    assert info.scores.accuracy_low > 1 / 3
    assert "random" in info.initial_weights
    shutil.rmtree(own)
    scores, _ = evaluate_run(tmp_path / "run", data, "auto", lambda done, total: None)
    assert scores == info.scores


def test_pretrained_weights_are_those_of_the_folder(tiny_encoder: Path, reading_recipes: Path, tmp_path: Path) -> None:
    folder = saved(tiny_encoder, tmp_path / "encoder")
    changes = (f"text.encoder={folder}", "text.pretrained=true")
    recipe = read_recipe(str(reading_recipes / "reads.toml"), changes)
    begun = starting_network(recipe, ["a", "b"], None, None)
    own = load_file(folder / "model.safetensors")
    state = begun.network.encoder.state_dict()  # type: ignore[union-attr]
    assert own.keys() == state.keys()
    for name, tensor in own.items():
        torch.testing.assert_close(state[name], tensor, rtol=0, atol=0)
    assert len(begun.sha256) == 64
    assert begun.words.endswith("pretrained")


def test_berts_own_pooler_is_left_out(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "bert"))
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertConfig(vocab_size=len(WORDS), max_position_embeddings=16, **size).save_pretrained(folder)
    network = starting_encoder(spec(folder)).network
    assert not [name for name, _ in network.named_parameters() if "pooler" in name]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no config", "config.json"),
        ("damaged config", "cannot be read"),
        ("no tokenizer", "holds no tokenizer"),
        ("damaged tokenizer", "cannot be read"),
        ("no weights", "text.pretrained = false"),
        ("pickled weights", "model.safetensors"),
        ("damaged weights", "no readable weights"),
        ("weights of another model", "not this model's"),
        ("a larger vocabulary", "does not fit the model"),
    ],
)
def test_a_folder_that_will_not_do_is_named(tiny_encoder: Path, tmp_path: Path, fault: str, message: str) -> None:
    folder = saved(tiny_encoder, tmp_path / "encoder")
    weights = folder / "model.safetensors"
    if fault == "no config":
        (folder / "config.json").unlink()
    elif fault == "damaged config":
        (folder / "config.json").write_text("{")
    elif fault == "no tokenizer":
        (folder / "vocab.txt").unlink()
    elif fault == "damaged tokenizer":
        (folder / "tokenizer.json").write_text("{}")
    elif fault == "no weights":
        weights.unlink()
    elif fault == "pickled weights":
        torch.save(load_file(weights), folder / "pytorch_model.bin")
        weights.unlink()
    elif fault == "damaged weights":
        weights.write_bytes(weights.read_bytes()[:100])
    elif fault == "weights of another model":
        save_file({"something": torch.zeros(3)}, weights, {"format": "pt"})
    else:
        (folder / "vocab.txt").write_text("\n".join([*WORDS, "more"]) + "\n")
    with pytest.raises(ConfigError, match=message) as caught:
        starting_encoder(spec(folder, pretrained=True))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_tokens_than_the_encoder_has_places_for(tiny_encoder: Path) -> None:
    with pytest.raises(ConfigError, match="max_tokens must be at most 16"):
        starting_encoder(spec(tiny_encoder, max_tokens=17))


def test_a_name_that_cannot_be_had_fails_at_once_and_says_what_to_give() -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match=r"give a folder|neither a folder nor a name") as caught:
        starting_encoder(spec(Path("no-such-organisation-of-ours/no-such-model")))
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 20, "offline, nobody waits"


def test_a_run_whose_tokenizer_is_gone_is_refused(fused_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(fused_run / "text", tmp_path / "run"))
    assert open_run(run).tokenize is not None
    (run / "encoder" / "tokenizer.json").unlink()
    with pytest.raises(RunError, match="encoder"):
        open_run(run)


def test_data_without_texts_are_refused(reading_recipes: Path, colour_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no texts"):
        train_miniature(reading_recipes / "reads.toml", colour_photos, tmp_path / "run")


def test_weights_are_for_what_looks(reading_recipes: Path, talking_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"text\.encoder"):
        train_miniature(reading_recipes / "reads.toml", talking_photos, tmp_path / "r", weights=tmp_path / "w")


def test_the_config_of_a_run_names_no_path_of_this_machine(fused_run: Path) -> None:
    facts = json.loads((fused_run / "text" / "encoder" / "config.json").read_text())
    assert "/" not in str(facts.get("_name_or_path", ""))

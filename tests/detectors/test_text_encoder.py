"""CLIP's text encoder: what OpenAI's own code says of the same weights and texts."""

import subprocess
import sys

import numpy as np
import pytest

from lab.detectors.open_vocabulary.text_features import clip_encoder, tokenize
from lab.errors import DetectorError
from tests.detectors.tiny_clip import OPENAI, TEXTS, tiny_openai_clip


@pytest.fixture(scope="module")
def openai():
    with np.load(OPENAI) as file:
        return dict(file)


@pytest.fixture
def models_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MODELS", str(tmp_path))
    monkeypatch.setenv("LAB_OFFLINE", "true")
    return tmp_path


def test_tokens_are_those_of_openai(openai):
    assert openai["texts"].tolist() == TEXTS
    np.testing.assert_array_equal(tokenize(TEXTS).numpy(), openai["tokens"])


def test_features_are_those_of_openai(openai, models_folder):
    tiny_openai_clip(models_folder / "clip" / "ViT-B-32.pt")
    np.testing.assert_allclose(clip_encoder()(TEXTS), openai["features"], rtol=0, atol=1e-6)


def test_a_text_of_more_than_77_tokens_is_refused_and_not_cut():
    assert tokenize([" ".join(["otter"] * 75)]).shape == (1, 77)
    with pytest.raises(DetectorError, match="at most 77 tokens; shorten the prompt"):
        tokenize(["cat", " ".join(["otter"] * 76)])


def test_without_its_file_the_encoder_says_where_it_goes(models_folder):
    with pytest.raises(DetectorError, match="put it at") as error:
        clip_encoder()(["cat"])
    assert str(models_folder / "clip" / "ViT-B-32.pt") in str(error.value)


@pytest.mark.long
def test_no_package_named_clip_is_asked_for(models_folder):
    tiny_openai_clip(models_folder / "clip" / "ViT-B-32.pt")
    code = (
        "import sys; sys.modules['clip'] = None\n"
        "from lab.detectors.yolo.checkpoint import ultralytics; ultralytics()\n"
        "from lab.detectors.open_vocabulary.text_features import clip_encoder\n"
        "assert clip_encoder()(['cat']).shape == (1, 512)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=300)

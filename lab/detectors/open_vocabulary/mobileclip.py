"""The text encoders of YOLOE: MobileCLIP as TorchScript, kept in the models folder."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lab.detectors.open_vocabulary.text_features import CLIP, Encode, clip_encoder, tokenize
from lab.detectors.weights.catalogue import Entry
from lab.detectors.weights.fetch import check_known, fetch_entry
from lab.detectors.weights.files import models_folder
from lab.detectors.weights.loaded import FileState, note_file, state_of
from lab.errors import DetectorError

# Names as Ultralytics' `build_text_model` (8.4.190) takes them, and what it loads for each.
FILES = {"mobileclip:blt": "mobileclip_blt.ts", "mobileclip2:b": "mobileclip2_b.ts"}
DEFAULT_ENCODER = "mobileclip:blt"
ADDRESS = "https://github.com/ultralytics/assets/releases/download/v8.4.0/"


def text_encoder(name: str) -> Encode:
    """The encoder of that name; its file is downloaded when a text is first encoded.

    Its errors are DetectorErrors that say what is missing. Raises DetectorError for another name.
    """
    if name == CLIP:
        return clip_encoder()
    if name not in FILES:
        raise DetectorError(
            f"the text encoder {name!r} is not known; known: {', '.join([*FILES, CLIP])}"
        )

    def encode(texts: Sequence[str]) -> np.ndarray:
        tokens = tokenize(texts)
        import torch

        path = encoder_file(name)
        note_file(path)
        model = _opened(path, state_of(path))
        with torch.inference_mode():
            vectors = [_encoded(model, part, path) for part in tokens.split(64)]
        return np.concatenate(vectors)

    return encode


def encoder_file(name: str) -> Path:
    """The file of an encoder of `FILES`, downloaded unless it is in the models folder.

    Raises DetectorError if it cannot be had, or is another than the one downloaded first.
    """

    path = models_folder() / FILES[name]
    if path.is_file():
        return check_known(path)
    return fetch_entry(Entry(path.name, ADDRESS + path.name, "text", "unknown"))


@lru_cache(maxsize=2)
def _opened(path: Path, state: FileState | None) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.jit.load(str(path), map_location="cpu").eval()
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DetectorError(
            f"{path} is not a text encoder as TorchScript ({first[:120]}); download it again"
        ) from None


def _encoded(model: Any, tokens: Any, path: Path) -> np.ndarray:
    try:
        vectors = model(tokens).float().numpy()
    except Exception as error:
        raise DetectorError(
            f"{path} does not take tokens ({type(error).__name__}); download it again"
        ) from None
    if vectors.ndim != 2 or len(vectors) != len(tokens) or not np.isfinite(vectors).all():
        raise DetectorError(
            f"{path} gave {vectors.shape} for {len(tokens)} texts; download it again"
        )
    return np.asarray(vectors)

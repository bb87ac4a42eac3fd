"""Text embeddings of prompts, computed once and kept in the store."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lab.detectors.open_vocabulary.prompts import tidy
from lab.detectors.open_vocabulary.text_store import TextStore
from lab.detectors.weights.download import download
from lab.detectors.weights.files import models_folder, weights_sha256
from lab.detectors.weights.loaded import note_file
from lab.detectors.weights.offline import is_offline
from lab.detectors.zero_shot.clip_weights import open_clip
from lab.errors import DetectorError, SettingError

CLIP = "clip:ViT-B/32"
_CLIP_DIMENSIONS = 512
_MAX = 1e4  # of one number; real ones are below 100
_PUBLISHED_SHA256 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
_ADDRESS = f"https://openaipublic.azureedge.net/clip/models/{_PUBLISHED_SHA256}/ViT-B-32.pt"
_MAX_TOKENS = 77
Encode = Callable[[Sequence[str]], np.ndarray]


class TextFeatures:
    """Embeddings of texts by one encoder, each a float32 vector of about unit length.

    They are searched for in this order: the file that was named, the checkpoint's own, the store.
    What is in none of them is computed by the encoder and kept in the store.

    encoder: its name, under which the store keeps them. own: those that the checkpoint carries.
    dimensions: how many numbers the network takes for a text; None takes any.

    Raises SettingError for a file that cannot be used.
    """

    def __init__(
        self,
        encoder: str,
        *,
        own: Mapping[str, np.ndarray],
        file: str | Path | None = None,
        store: TextStore | None = None,
        encode: Encode | None = None,
        dimensions: int | None = None,
    ) -> None:
        self.encoder, self._dimensions = encoder, dimensions
        self._own, self._store, self._encode = own, store, encode
        self._file = read_embeddings(file) if file is not None else {}
        if (problem := self._length_error(self._file)) is not None:
            raise SettingError(f"{file}: {problem}; give embeddings of {encoder}")
        self._vectors: dict[str, np.ndarray] = {}

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """float32 (n, dimensions). Raises DetectorError for a text that cannot be embedded here."""
        for text in texts:
            # The tokenizers of these encoders make all letters small (CLIP's `encode`).
            places = (
                (known, key) for known in (self._file, self._own) for key in (text, text.lower())
            )
            found = next((known[key] for known, key in places if key in known), None)
            if found is not None:
                self._vectors[text] = found
        missing = [text for text in texts if text not in self._vectors]
        if missing and self._store is not None:
            kept = self._store.embeddings(
                self.encoder, [*missing, *(text.lower() for text in missing)]
            )
            for text in missing:
                found = kept.get(text, kept.get(text.lower()))
                if found is not None:
                    self._vectors[text] = found
            missing = [text for text in missing if text not in self._vectors]
        if missing:
            self._compute(missing)
        if (
            problem := self._length_error({text: self._vectors[text] for text in texts})
        ) is not None:
            raise DetectorError(
                f"{problem}; the store's embeddings of {self.encoder} are of another encoder"
            )
        return np.stack([self._vectors[text] for text in texts])

    def _length_error(self, vectors: Mapping[str, np.ndarray]) -> str | None:
        for text, vector in vectors.items():
            if self._dimensions is not None and len(vector) != self._dimensions:
                return (
                    f"the embedding of {text!r} has {len(vector)} numbers, "
                    f"the network takes {self._dimensions}"
                )
        return None

    def _compute(self, texts: Sequence[str]) -> None:
        if self._encode is None:
            raise DetectorError(self._no_embedding(texts, "this network has no text encoder"))
        try:
            vectors = self._encode(texts)
        except DetectorError as error:
            raise DetectorError(self._no_embedding(texts, str(error))) from None
        fresh = dict(zip(texts, as_features(vectors), strict=True))
        if (problem := self._length_error(fresh)) is not None:
            raise DetectorError(
                f"{problem}; the text encoder's file is of another model than ViT-B/32"
            )
        self._vectors.update(fresh)
        if self._store is not None:
            self._store.save_embeddings(self.encoder, fresh, "encoder")

    def _no_embedding(self, texts: Sequence[str], why: str) -> str:
        known = {*self._file, *self._own}
        if self._store is not None:
            known |= set(self._store.embedding_names(self.encoder))
        few = (
            f"none; {len(known)} names are known, such as {', '.join(sorted(known)[:5])}"
            if known
            else "none"
        )
        unknown = "; ".join(
            f"{text!r} (closest known: {', '.join(nearest(text, known)) or few})"
            for text in texts[:5]
        )
        more = f" and {len(texts) - 5} more" if len(texts) > 5 else ""
        return (
            f"no embedding is known for {unknown}{more}, and {why}; use a known name, or import an "
            "embeddings file: lab embeddings import FILE.npz, or Models, Text embeddings in the app"
        )


def nearest(text: str, known: set[str], most: int = 3) -> list[str]:
    """The known names nearest to a text: those that share words, then those spelled alike."""
    import difflib

    words = set(text.lower().split())
    shared = {name: len(words & set(name.lower().split())) for name in known}
    by_words = sorted((n for n in known if shared[n]), key=lambda n: (-shared[n], len(n), n))
    alike = difflib.get_close_matches(text, sorted(known), n=most, cutoff=0.5)
    same = sorted(name for name in known if name.lower() == text.lower())
    return list(dict.fromkeys([*same, *by_words[:most], *alike]))[:most]


def read_embeddings(path: str | Path) -> dict[str, np.ndarray]:
    """Names and vectors of an .npz with `names` (n,) and `emb` (n, dimensions).

    Names are normalised as prompts are: see `lab.detectors.open_vocabulary.prompts.tidy`. Raises
    SettingError for a file that is not valid.
    """
    note_file(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            names, vectors = file["names"], file["emb"]
    except FileNotFoundError:
        raise SettingError(
            f"no embeddings file at {path}; give an .npz with names and emb"
        ) from None
    except (OSError, ValueError, KeyError, EOFError, AttributeError) as error:
        raise SettingError(
            f"{path} is not an embeddings file ({error}); expected an .npz with names and emb"
        ) from None
    except Exception as error:  # zipfile and zlib have errors of their own
        raise SettingError(
            f"{path} cannot be read as .npz ({type(error).__name__}); copy it again"
        ) from None
    if (
        names.ndim != 1
        or vectors.ndim != 2
        or len(names) != len(vectors)
        or names.dtype.kind != "U"
    ):
        raise SettingError(
            f"{path}: names must be n texts and emb (n, dimensions), got {names.dtype} "
            f"{names.shape} and {vectors.shape}"
        )
    if not np.issubdtype(vectors.dtype, np.floating) or not (np.abs(vectors) < _MAX).all():
        raise SettingError(f"{path}: emb must be finite floating-point numbers below {_MAX:g}")
    tidied = [tidy(name) for name in names.tolist()]
    for i, (name, vector) in enumerate(zip(tidied, vectors, strict=True)):
        if not name:
            raise SettingError(f"{path}: name {i} is empty; leave it out")
        if not vector.any():
            raise SettingError(
                f"{path}: the embedding of {name!r} is zero in all dimensions; leave it out"
            )
    features = as_features(vectors)
    found: dict[str, np.ndarray] = {}
    for name, feature in zip(tidied, features, strict=True):
        if name in found and not np.allclose(found[name], feature, atol=1e-4):
            raise SettingError(
                f"{path}: {name!r} is there twice with different embeddings; leave one out"
            )
        found.setdefault(name, feature)
    return found


def check_encoder(encoder: str, vectors: Mapping[str, np.ndarray], store: TextStore) -> None:
    """Check that embeddings are as long as those of an encoder, where that length is known.

    Raises SettingError if they are not.
    """
    got = next((len(vector) for vector in vectors.values()), None)
    wanted = _CLIP_DIMENSIONS if encoder == CLIP else None
    if wanted is None and (names := store.embedding_names(encoder)[:1]):
        wanted = len(store.embeddings(encoder, names)[names[0]])
    if None not in (got, wanted) and got != wanted:
        raise SettingError(
            f"these embeddings have {got} dimensions, those of {encoder} have {wanted}; "
            "name the encoder that made them"
        )


def as_features(vectors: np.ndarray) -> np.ndarray:
    """float32, of unit length; what is within 1 % of it stays as it is.

    Raises SettingError for a vector without length.
    """
    features = np.asarray(vectors, np.float32)
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    if not (length > 0).all():
        raise SettingError("an embedding is zero in all dimensions; make the file again")
    return np.where(np.abs(length - 1) < 0.01, features, features / length).astype(np.float32)


def feature_hash(vector: np.ndarray) -> str:
    """What a recipe says of an embedding: 16 hex digits of BLAKE2b over its float32 bytes."""
    return hashlib.blake2b(np.asarray(vector, "<f4").tobytes(), digest_size=8).hexdigest()


def clip_encoder() -> Encode:
    """OpenAI's CLIP ViT-B/32, downloaded into the models folder on first use.

    Its errors are DetectorErrors that say what is missing.
    """

    def encode(texts: Sequence[str]) -> np.ndarray:
        tokens = tokenize(texts)
        model = _clip()
        import torch

        with torch.inference_mode():
            vectors = model.encode_text(tokens).float()
        return (vectors / vectors.norm(dim=-1, keepdim=True)).numpy()

    return encode


def tokenize(texts: Sequence[str]) -> Any:
    """CLIP's tokens, int64 (n, 77). Raises DetectorError for a text of more than 77 tokens."""
    tokenizer = _tokenizer()
    # Given too many, it would cut them.
    if any(len(tokenizer.encode(text)) + 2 > _MAX_TOKENS for text in texts):
        raise DetectorError(f"CLIP reads at most {_MAX_TOKENS} tokens; shorten the prompt")
    return tokenizer(list(texts), context_length=_MAX_TOKENS)


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    return open_clip("the text encoder").tokenizer.SimpleTokenizer()


def _clip() -> Any:
    file = models_folder() / "clip" / "ViT-B-32.pt"
    if not file.is_file():
        if is_offline():
            raise DetectorError(
                "the text encoder is not here and downloads are switched off (download CLIP "
                f"ViT-B-32.pt on another machine and put it at {file})"
            )
        download(_ADDRESS, file, sha256=_PUBLISHED_SHA256)
    note_file(file)
    package = open_clip("the text encoder")
    import torch

    try:
        if weights_sha256(file) == _PUBLISHED_SHA256:
            # The published file is a TorchScript program; its hash says which.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch would rather have another form
                state = torch.jit.load(str(file), map_location="cpu").state_dict()
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
        # With QuickGELU, and most weights as float16, as OpenAI's code has them.
        model = package.model.build_model_from_openai_state_dict(dict(state))
    except Exception as error:
        raise DetectorError(
            f"the text encoder could not be loaded ({file.name} is neither the published file nor "
            f"the tensors of a CLIP model alone; the file belongs at {file})"
        ) from error
    return model.float().eval()

"""Pictures and texts as vectors of one space: CLIP, through open_clip."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from lab.detectors.device import device_recipe, torch_device
from lab.detectors.error_lines import first_line
from lab.detectors.weights.files import weights_sha256
from lab.detectors.weights.loaded import note_file
from lab.detectors.zero_shot.clip_weights import (
    check_weights_file,
    find_clip_weights,
    open_clip,
)
from lab.errors import DetectorError

BATCH_SIZE = 32


class TextCache(Protocol):
    """Keeps the vectors of texts. encoder: `ClipEncoder.key`; vector: float32, shape (dim,)."""

    def get(self, encoder: str, text: str) -> np.ndarray | None: ...

    def put(self, encoder: str, text: str, vector: np.ndarray) -> None: ...


class MemoryTextCache:
    """Keeps the latest vectors in memory. max_vectors: how many of them."""

    def __init__(self, max_vectors: int = 20_000) -> None:
        self._kept: dict[tuple[str, str], np.ndarray] = {}
        self._max_vectors = max_vectors

    def get(self, encoder: str, text: str) -> np.ndarray | None:
        return self._kept.get((encoder, text))

    def put(self, encoder: str, text: str, vector: np.ndarray) -> None:
        while len(self._kept) >= self._max_vectors:
            del self._kept[next(iter(self._kept))]
        self._kept[encoder, text] = vector


_IN_MEMORY = MemoryTextCache()


class ClipEncoder:
    """A CLIP model at f32. Two vectors' dot product times `scale` is the model's logit.

    model: a name of open_clip; its tokenizer comes with the package. Weights of OpenAI in a
        file need the model with `-quickgelu` at the end; by name the right one is taken.
    weights: a published name of that model, a path, or a file name in the models folder; None
        is the default of the model. Published weights are downloaded once.
    text_cache: where vectors of texts are kept; None keeps them in memory
        until the process ends.

    A picture is squashed to the model's square (bicubic with antialiasing, or what the weights
    ask for), not cropped: the left and right edge of a wide picture count as its middle does.

    key: identifies model and weights. size_px: (height, width) of the model's input.
    weights_path: where the weights lie, if they were named as a file; None for a published name.

    Raises SettingError for an unknown model, DetectorError for weights that cannot be used.
    """

    def __init__(
        self,
        model: str = "ViT-B-32",
        weights: str | None = None,
        *,
        text_cache: TextCache | None = None,
    ) -> None:
        package = open_clip()
        found = find_clip_weights(model, weights)
        note_file(found.path)
        check_weights_file(found.path)
        import torch

        self._torch = torch
        self.device = torch_device()
        wanted: dict[str, Any] = {
            k: found.published[k] for k in ("mean", "std", "interpolation") if k in found.published
        }
        is_quick = bool(found.published.get("quick_gelu"))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                network = package.create_model(
                    model, pretrained=str(found.path), weights_only=True, force_quick_gelu=is_quick,
                    force_preprocess_cfg={**wanted, "resize_mode": "squash"},
                )  # fmt: skip
        except Exception as error:
            raise DetectorError(
                f"{found.path} does not fit the model {model} ({first_line(error)})"
            ) from None
        self._network = network.float().eval().to(self.device)
        self._tokenizer = package.get_tokenizer(model)
        self._read_preprocessing()
        self.scale = float(self._network.logit_scale.detach().exp())
        self.weights_path = None if found.is_published else str(found.path.absolute())
        sha256 = weights_sha256(found.path)
        self.key = f"{model} {sha256}" + (" quick_gelu" if is_quick else "")
        self._cache: TextCache = _IN_MEMORY if text_cache is None else text_cache
        self._recipe = {
            "model": model,
            "weights": found.name,
            "weights_sha256": sha256,
            "quick_gelu": is_quick,
            "runtime": "torch",
            "precision": "f32",
            "preprocess": self.preprocess,
            **device_recipe(self.device),
        }

    def _read_preprocessing(self) -> None:
        from open_clip.transform import PreprocessCfg, image_transform_v2

        config = dict(self._network.visual.preprocess_cfg)
        size = config["size"]
        self.size_px = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        self._transform = image_transform_v2(
            PreprocessCfg(**{**config, "size": self.size_px}), is_train=False
        )
        self.preprocess = {
            "resize": "squash",
            "size_px": list(self.size_px),
            "interpolation": config["interpolation"],
            "mean": [float(v) for v in config["mean"]],
            "std": [float(v) for v in config["std"]],
        }

    def recipe(self) -> dict[str, Any]:
        """Model, weights and preprocessing, as JSON values."""
        return dict(self._recipe)

    def images(self, images_bgr: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors of unit length, float32, shape (n, dim), of pictures of any shapes.

        images_bgr: each uint8, shape (height, width, 3), at least one pixel.
        """
        from PIL import Image

        parts = []
        for start in range(0, len(images_bgr), BATCH_SIZE):
            batch = [
                self._transform(Image.fromarray(np.ascontiguousarray(image[..., ::-1])))
                for image in images_bgr[start : start + BATCH_SIZE]
            ]
            parts.append(self._encode("encode_image", self._torch.stack(batch)))
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of unit length, float32, shape (n, dim); what is longer than the model's
        context (77 tokens for most models) is cut."""
        found = {text: self._cache.get(self.key, text) for text in texts}
        missing = [text for text, vector in found.items() if vector is None]
        for start in range(0, len(missing), BATCH_SIZE):
            part = missing[start : start + BATCH_SIZE]
            vectors = self._encode("encode_text", self._tokenizer(part))
            for text, vector in zip(part, vectors, strict=True):
                self._cache.put(self.key, text, vector)
                found[text] = vector
        return np.stack([np.asarray(found[text], np.float32) for text in texts])

    def close(self) -> None:
        """Release the model; calling it twice is fine."""
        self._network = None

    def _encode(self, method: str, batch: Any) -> np.ndarray:
        if self._network is None:
            raise DetectorError("the encoder is closed; make another")
        exact = self._torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with self._torch.inference_mode(), exact:
            out = getattr(self._network, method)(batch.to(self.device), normalize=True)
        vectors: np.ndarray = out.cpu().numpy()
        return vectors

"""Weights of CLIP models, by published name or file: fetched once, read without running code."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.detectors.error_lines import first_line
from lab.detectors.weights.files import models_folder
from lab.detectors.weights.offline import is_offline
from lab.errors import DetectorError, SettingError, closest
from lab.extras import broken, need

DEFAULT_WEIGHTS = {"ViT-B-32": "laion2b_s34b_b79k"}
_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_REACHED_WITHIN_S = 5.0  # each of connecting and answering


@dataclass(frozen=True)
class ClipWeights:
    """A file of weights. name: the published name, or the file's own name.

    published: what open_clip knows of the published weights (mean, std, interpolation,
        quick_gelu); for a file, of the first published weights of its model, without quick_gelu.
    """

    path: Path
    name: str
    is_published: bool
    published: dict[str, Any]


def open_clip(what: str = "a detector of brands or scenes") -> Any:
    """The package. Raises DetectorError if it is not installed."""
    need(what, "prompts", "open_clip", "torch")
    try:
        import open_clip as package
    except ImportError as error:
        raise broken(what, "open_clip", error) from None
    return package


def known_models() -> list[str]:
    """Models of open_clip that come with their tokenizer, so that nothing else is downloaded."""
    package = open_clip()

    def is_whole(name: str) -> bool:
        text = (package.get_model_config(name) or {}).get("text_cfg", {})
        elsewhere = text.get("hf_tokenizer_name") or text.get("hf_model_name")
        return not elsewhere and "siglip" not in name.lower()

    return [name for name in package.list_models() if is_whole(name)]


def find_clip_weights(model: str, weights: str | None) -> ClipWeights:
    """The file for a published name, a path, a file name in the models folder, or None.

    None is the default of the model. Published weights are fetched into `clip` in the models
    folder unless they are there. Raises SettingError for an unknown model or name, DetectorError
    if the file is not there and cannot be fetched.
    """
    package = open_clip()
    models = known_models()
    if not isinstance(model, str) or model not in models:
        raise SettingError(f"unknown CLIP model {model!r}; {closest(str(model), models)}")
    names = package.list_pretrained_tags_by_model(model)
    if weights is None:
        weights = DEFAULT_WEIGHTS.get(model)
        if weights is None:
            raise SettingError(f"name the weights of {model}; {closest('', names)}, or a path")
    if not isinstance(weights, str) or not weights.strip():
        raise SettingError(f"weights must be a name or a path, got {weights!r}")
    if weights in names:
        config = package.get_pretrained_cfg(model, weights)
        return ClipWeights(_published(model, weights, config), weights, True, dict(config))
    like = dict(package.get_pretrained_cfg(model, names[0])) if names else {}
    like.pop("quick_gelu", None)
    path = _file(weights)
    if path is None:
        raise DetectorError(
            f"no weights {weights!r} for {model} as a file or in {models_folder()}; "
            f"published names: {closest(weights, names)}"
        )
    return ClipWeights(path, path.name, False, like)


def check_weights_file(path: Path) -> None:
    """Check a file before it is loaded. Raises DetectorError if it is not a state dict.

    A pickle is read with torch's `weights_only`, which builds tensors and plain containers and
    refuses everything else without running it.
    """
    import torch

    if path.suffix not in _SUFFIXES:
        raise DetectorError(
            f"{path} is not a file of CLIP weights; those end in {', '.join(_SUFFIXES)}"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(str(path), framework="pt") as file:
                found = len(list(file.keys()))
        else:
            is_archive = zipfile.is_zipfile(path)
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
            state = content.get("state_dict", content) if isinstance(content, dict) else {}
            tensors = isinstance(state, dict) and all(
                isinstance(v, torch.Tensor) for v in state.values()
            )
            found = len(state) if tensors else 0
    except Exception as error:
        raise DetectorError(
            f"{path} cannot be read as weights: it is damaged, or holds more than tensors "
            f"({first_line(error)}); fetch it again, best as .safetensors"
        ) from None
    if not found:
        raise DetectorError(
            f"{path} holds no weights; expected the state dict of an open_clip model"
        )


def _file(weights: str) -> Path | None:
    path = Path(weights).expanduser()
    places = [path]
    if path.parent == Path("."):
        places += [models_folder() / weights, models_folder() / "clip" / weights]
    return next((p for p in places if p.is_file()), None)


def _published(model: str, name: str, config: dict[str, Any]) -> Path:
    """The file of published weights: put there by hand, fetched before, or fetched now."""
    folder = models_folder() / "clip"
    for suffix in _SUFFIXES:
        if (by_hand := folder / f"{model}-{name}{suffix}").is_file():
            return by_hand
    repository, files = _hub_files(config)
    from huggingface_hub import try_to_load_from_cache

    for file in files:
        cached = try_to_load_from_cache(repository, file, cache_dir=folder)
        if isinstance(cached, str) and Path(cached).is_file():
            return Path(cached)
    if is_offline():
        raise DetectorError(_not_fetched(model, name, config, "downloads are switched off"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        got = next(_fetched(repository, files, folder), None)
    except Exception as error:
        raise DetectorError(_not_fetched(model, name, config, first_line(error))) from None
    if got is None:
        raise DetectorError(_not_fetched(model, name, config, "the repository does not have it"))
    return got


def _fetched(repository: str, files: list[str], folder: Path) -> Iterator[Path]:
    """Those files that the repository has; an interrupted download is resumed."""
    import requests
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:  # on its own the package would try for half a minute
        requests.head(
            os.environ.get("HF_ENDPOINT") or constants.ENDPOINT, timeout=_REACHED_WITHIN_S
        )
    except requests.RequestException as error:
        raise ConnectionError("no connection") from error
    for file in files:
        try:
            got = hf_hub_download(
                repository, file, cache_dir=folder, token=False,
                endpoint=os.environ.get("HF_ENDPOINT") or None,
            )  # fmt: skip
        except LocalEntryNotFoundError as error:
            raise ConnectionError("no connection") from error
        except EntryNotFoundError:
            continue
        yield Path(got)


def _hub_files(config: dict[str, Any]) -> tuple[str, list[str]]:
    """Repository and file names, best first: tensors alone before a pickle, as open_clip does."""
    repository, _, file = config.get("hf_hub", "").rpartition("/")
    if not repository:
        return "", []
    if not file:
        return repository, ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    return repository, list(dict.fromkeys([f"{Path(file).stem}.safetensors", file]))


def _not_fetched(model: str, name: str, config: dict[str, Any], why: str) -> str:
    repository, files = _hub_files(config)
    origin = (
        f"https://huggingface.co/{repository}" if repository else config.get("url", "its publisher")
    )
    target = models_folder() / "clip" / f"{model}-{name}.safetensors"
    what = files[0] if files else f"the weights of {model} {name}"
    return (
        f"weights {name!r} of {model} are not here ({why}); "
        f"fetch {what} from {origin} and put it at {target}"
    )

"""What an export says of itself: shapes and metadata, or why it cannot be used."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.detectors.weights.catalogue import TASKS, labels_of
from lab.errors import DetectorError

_AGAIN = "export it again with nms=False, end2end=False"


@dataclass(frozen=True)
class ExportFacts:
    """An export that can be used.

    form: `dense` (b, 4 + classes + more, n), as Ultralytics writes it, or `yolov5`
        (b, n, 5 + classes), as that repository does. more: 0, the number of mask prototypes
        (task `segment`), or 1 (the angle of task `obb`).
    are_names_own: the names come with the model, not from a file beside it or the catalogue.
    image_size: the size it was exported for, in pixels; None if it takes any and names none.
    """

    names: tuple[str, ...]
    task: str
    form: str
    stride: int
    fixed_size_px: tuple[int, int] | None
    fixed_batch: int | None
    image_size: int | None
    licence: str
    are_names_own: bool

    @classmethod
    def of(
        cls,
        path: Path,
        input_shape: list[Any],
        output_shapes: list[list[Any]],
        meta: Mapping[str, Any],
    ) -> ExportFacts:
        """The facts of an export. Raises DetectorError if it cannot be used.

        input_shape, output_shapes: with a number where an axis is fixed. meta: its metadata.
        """
        size, batch = _input(path, input_shape)
        task = str(meta.get("task", "detect"))
        if task not in TASKS:
            raise DetectorError(unknown_task(path, task))
        outputs = [[v if isinstance(v, int) and v > 0 else None for v in s] for s in output_shapes]
        more = _more(path, task, outputs)
        own = _own_names(meta.get("names"))
        given = _names_beside(path)
        known = given or own
        form, classes = _form(path, outputs[0], more, len(known) if known else None, "task" in meta)
        names = known or labels_of(path.stem, path.parent)
        if len(names) != classes:
            what = (
                f"has {classes} classes, but {len(names)} names are known"
                if names
                else f"does not say its class names; it has {classes} of them"
            )
            raise DetectorError(f"{path} {what}: write one name a line into {names_file(path)}")
        return cls(
            names=names,
            task=task,
            form=form,
            stride=_stride(meta),
            fixed_size_px=size,
            fixed_batch=batch,
            image_size=max(size) if size else _exported_size(meta),
            licence=str(meta.get("license") or "unknown"),
            are_names_own=not given and bool(own),
        )


def unknown_task(path: Path, task: str) -> str:
    return f"{path} is a model for {task!r}; the detector needs one for {', '.join(TASKS)}"


def names_file(path: Path) -> Path:
    """Where class names are written for an export that does not carry them, one a line."""
    return path.with_name(f"{path.stem}.names.txt")


def read_onnx_metadata(meta: Mapping[str, str]) -> dict[str, Any]:
    """The metadata of an ONNX file, its Python literals read (names, imgsz)."""
    found: dict[str, Any] = dict(meta)
    for key in ("names", "imgsz"):
        try:
            found[key] = ast.literal_eval(meta[key])
        except (KeyError, ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            found.pop(key, None)
    return found


def read_yaml_metadata(path: Path) -> dict[str, Any]:
    """`metadata.yaml` of an OpenVINO folder; {} if there is none.

    Raises DetectorError if it cannot be read.
    """
    import yaml

    if not path.is_file():
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise DetectorError(f"{path} cannot be read; export the model again") from None
    return found if isinstance(found, dict) else {}


def _input(path: Path, shape: list[Any]) -> tuple[tuple[int, int] | None, int | None]:
    fixed = [v if isinstance(v, int) and v > 0 else None for v in shape]
    if len(shape) != 4 or fixed[1] not in (3, None):
        raise DetectorError(f"{path} takes input {shape}, expected (batch, 3, height, width)")
    if fixed[0] not in (1, None):
        raise DetectorError(
            f"{path} takes {fixed[0]} pictures at a time; export it with batch=1 or dynamic=True"
        )
    return ((fixed[2], fixed[3]) if fixed[2] and fixed[3] else None), fixed[0]


def _more(path: Path, task: str, outputs: list[list[int | None]]) -> int:
    """How many values a box has beside its place and its scores."""
    ranks = [len(s) for s in outputs]
    expected = [3, 4] if task == "segment" else [3]
    if ranks != expected:
        raise DetectorError(
            f"{path} gives {len(outputs)} outputs of {ranks} axes, expected {expected} for "
            f"{task!r}; {_AGAIN}"
        )
    if task == "segment":
        if outputs[1][1] is None:
            raise DetectorError(f"{path} does not say how many mask prototypes it gives; {_AGAIN}")
        return outputs[1][1]
    return 1 if task == "obb" else 0


def _form(
    path: Path, shape: list[int | None], more: int, classes: int | None, is_ultralytics: bool
) -> tuple[str, int]:
    _, second, third = shape
    may_be_yolov5 = not is_ultralytics and more == 0
    if classes is not None:
        if second == 4 + classes + more:
            return "dense", classes
        # 300 rows of 6: boxes that were chosen already, the only such shape that looks the same.
        if may_be_yolov5 and third == 5 + classes and second != 300:
            return "yolov5", classes
        if second is None and third is None:
            return "dense", classes
        wanted = f"(batch, {4 + classes + more}, boxes)"
        wanted += f" or (batch, boxes, {5 + classes})" if may_be_yolov5 else ""
        raise DetectorError(f"{path} gives output {shape}, expected {wanted}; {_AGAIN}")
    if (
        may_be_yolov5
        and third is not None
        and third > 5
        and second != 300
        and (second is None or third < second)
    ):
        return "yolov5", third - 5
    if second is not None and second > 4 + more and (third is None or second < third):
        return "dense", second - 4 - more
    raise DetectorError(f"{path} gives output {shape}, which has no known form; {_AGAIN}")


def _own_names(names: Any) -> tuple[str, ...]:
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or not all(isinstance(i, int) for i in names):
        return ()
    return tuple(str(names[i]) for i in sorted(names))


def _names_beside(path: Path) -> tuple[str, ...]:
    file = names_file(path)
    if not file.is_file():
        return ()
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise DetectorError(
            f"{file} cannot be read; it must be a text of class names, one a line"
        ) from None
    names = tuple(line for line in lines if line)
    if len(set(names)) != len(names) or not names:
        raise DetectorError(f"{file} must hold class names, one a line, each once")
    return names


def _stride(meta: Mapping[str, Any]) -> int:
    try:
        return max(1, int(float(meta.get("stride", 32))))
    except (TypeError, ValueError):
        return 32


def _exported_size(meta: Mapping[str, Any]) -> int | None:
    size = meta.get("imgsz")
    if isinstance(size, list | tuple) and size and all(isinstance(v, int) for v in size):
        return int(max(size))
    return size if isinstance(size, int) else None

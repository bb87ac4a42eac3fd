"""YOLO-World as two graphs: one computes the picture's features, one the scores of prompts.

The backbone knows nothing of prompts, so its features serve each prompt in turn (`independent`)
or all of them (`joint`). The split is before the first layer that a text guides. Boxes and
scores are those of Ultralytics' WorldModel; only adaptive pooling is written with slices, and the
anchors are an input, so that the graphs take pictures of any size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from ultralytics.nn.modules import C2fAttn, ImagePoolingAttn
from ultralytics.nn.modules.head import WorldDetect

OPSET = 17


def _sources(layer: Any) -> list[int]:
    given = [layer.f] if isinstance(layer.f, int) else list(layer.f)
    return [layer.i - 1 if j == -1 else j for j in given]


def _input(layer: Any, outputs: dict[int, Any]) -> Any:
    found = [outputs[j] for j in _sources(layer)]
    return found[0] if isinstance(layer.f, int) else found


class Backbone(nn.Module):
    """Pictures float32 (b, 3, h, w) to the features that the neck needs, one tensor each."""

    def __init__(self, layers: list[Any], crossing: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self._plan = layers
        self._crossing = crossing

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        outputs: dict[int, Any] = {-1: images}
        for layer, plan in zip(self.layers, self._plan, strict=True):
            outputs[plan.i] = layer(_input(plan, outputs))
        return tuple(outputs[j] for j in self._crossing)


class Neck(nn.Module):
    """Features and texts to boxes and scores.

    Takes the features, text (b, prompts, dimensions), anchors (2, n) in cells, strides (1, n).
    Gives boxes (b, n, 4) xyxy in input pixels and scores (b, n, prompts).
    """

    def __init__(self, layers: list[Any], crossing: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [_Pooling(x) if isinstance(x, ImagePoolingAttn) else x for x in layers]
        )
        self._plan = layers
        self._crossing = crossing

    def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
        *features, text, anchors, strides = given
        outputs: dict[int, Any] = dict(zip(self._crossing, features, strict=True))
        guide = text
        for layer, plan in zip(self.layers, self._plan, strict=True):
            inputs = _input(plan, outputs)
            if isinstance(layer, WorldDetect):
                return _boxes_and_scores(layer, inputs, text, anchors, strides)
            if isinstance(layer, C2fAttn):
                outputs[plan.i] = layer(inputs, guide)
            elif isinstance(layer, _Pooling):
                outputs[plan.i] = guide = layer(inputs, guide)
            else:
                outputs[plan.i] = layer(inputs)
        raise ValueError("the network has no WorldDetect head")


def _boxes_and_scores(
    head: Any, features: list[Tensor], text: Tensor, anchors: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor]:
    levels = range(len(features))
    sides = torch.cat([head.cv2[k](features[k]).flatten(2) for k in levels], 2)
    scores = torch.cat([head.cv4[k](head.cv3[k](features[k]), text).flatten(2) for k in levels], 2)
    top_left, bottom_right = head.dfl(sides).chunk(2, 1)
    boxes = torch.cat([(anchors - top_left) * strides, (anchors + bottom_right) * strides], 1)
    return boxes.transpose(1, 2), scores.sigmoid().transpose(1, 2)


class _Pooling(nn.Module):
    """ImagePoolingAttn (YOLO-World v1: texts look at the picture), with pooling by slices."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, features: list[Tensor], text: Tensor) -> Tensor:
        m, batch = self.inner, features[0].shape[0]
        patches = [
            _pooled(project(x), m.k) for x, project in zip(features, m.projections, strict=True)
        ]
        inputs = torch.cat(patches, -1).transpose(1, 2)
        query = m.query(text).reshape(batch, -1, m.nh, m.hc)
        key = m.key(inputs).reshape(batch, -1, m.nh, m.hc)
        value = m.value(inputs).reshape(batch, -1, m.nh, m.hc)
        weight = torch.softmax(torch.einsum("bnmc,bkmc->bmnk", query, key) / m.hc**0.5, -1)
        found = torch.einsum("bmnk,bkmc->bnmc", weight, value).reshape(batch, -1, m.ec)
        return m.proj(found) * m.scale + text


def _pooled(x: Tensor, k: int) -> Tensor:
    """As AdaptiveMaxPool2d((k, k)), for exports with free sizes: (b, c, k * k)."""
    height, width = x.shape[2], x.shape[3]
    rows = [((i * height) // k, ((i + 1) * height + k - 1) // k) for i in range(k)]
    columns = [((j * width) // k, ((j + 1) * width + k - 1) // k) for j in range(k)]
    cells = [x[:, :, a:b, c:d].amax(dim=(2, 3)) for a, b in rows for c, d in columns]
    return torch.stack(cells, -1)


def split(network: Any) -> tuple[Backbone, Neck]:
    """The two halves of a fused WorldModel in eval mode. Raises ValueError if it is not one."""
    layers = list(network.model)
    if not isinstance(layers[-1], WorldDetect):
        raise ValueError(f"the head is {type(layers[-1]).__name__}, not WorldDetect")
    at = next(i for i, layer in enumerate(layers) if isinstance(layer, C2fAttn))
    crossing = sorted({j for layer in layers[at:] for j in _sources(layer) if j < at})
    return Backbone(layers[:at], crossing).eval(), Neck(layers[at:], crossing).eval()


def anchors_of(height: int, width: int, strides: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the cells (2, n) and their strides (1, n), float32, finest level first."""
    points, steps = [], []
    for stride in strides:
        y, x = np.meshgrid(
            np.arange(height // stride) + 0.5, np.arange(width // stride) + 0.5, indexing="ij"
        )
        points.append(np.stack([x.ravel(), y.ravel()]))
        steps.append(np.full(x.size, stride))
    return np.concatenate(points, 1).astype(np.float32), np.concatenate(steps).astype(np.float32)[
        None
    ]


def export(
    backbone: Backbone, neck: Neck, dimensions: int, strides: list[int], files: tuple[str, str]
) -> None:
    """Write both as ONNX, with free batch, picture size and number of prompts."""
    images = torch.zeros(1, 3, 320, 256)
    with torch.inference_mode():
        features = backbone(images)
    names = [f"features{i}" for i in range(len(features))]
    free = {name: {0: "batch", 2: f"height{name}", 3: f"width{name}"} for name in names}
    torch.onnx.export(
        backbone, (images,), files[0], dynamo=False, opset_version=OPSET, input_names=["images"],
        output_names=names, dynamic_axes={"images": {0: "batch", 2: "height", 3: "width"}, **free},
    )  # fmt: skip
    text = torch.nn.functional.normalize(torch.ones(1, 2, dimensions), dim=-1)
    points, steps = (torch.from_numpy(a) for a in anchors_of(320, 256, strides))
    torch.onnx.export(
        neck, (*features, text, points, steps), files[1], dynamo=False, opset_version=OPSET,
        input_names=[*names, "text", "anchors", "strides"], output_names=["boxes", "scores"],
        dynamic_axes={
            **free,
            "text": {0: "batch", 1: "prompts"}, "anchors": {1: "cells"}, "strides": {1: "cells"},
        },
    )  # fmt: skip

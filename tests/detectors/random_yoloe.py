"""YOLOE networks with random weights whose scores differ over the picture."""

import cv2
import numpy as np

PROMPTS = ["cat", "a red bus", "🚌", "حافلة", "tram"]


def street_bgr():
    """The street of Ultralytics' assets, 240 x 320."""
    from lab.detectors.yolo.checkpoint import ultralytics

    return cv2.resize(cv2.imread(f"{ultralytics().__path__[0]}/assets/bus.jpg"), (240, 320))


def random_vectors():
    """Random unit vectors in place of what the text encoder would give: (prompts, 512)."""
    found = np.random.default_rng(3).normal(size=(len(PROMPTS), 512)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def write_random(path, kind, form, image_bgr, vectors):
    import torch
    from ultralytics.nn import tasks

    torch.manual_seed(1)
    known = tasks.YOLOESegModel if kind.endswith("-seg") else tasks.YOLOEModel
    model = known(f"{kind}.yaml", verbose=False)
    texts = torch.from_numpy(vectors)[None]
    images = np.stack([np.roll(image_bgr, 24 * i, axis=1) for i in range(8)])[..., ::-1].transpose(
        0, 3, 1, 2
    )
    images = torch.from_numpy(images.copy()).float() / 255
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()
        model.predict(torch.nn.functional.pad(images, (8, 8), value=114 / 255), tpe=texts)
    head = model.eval().model[-1]
    head.reprta.m.w3.weight.data = torch.randn_like(head.reprta.m.w3.weight) * 0.5
    for last in [*head.cv4, *(getattr(head, "one2one_cv4", None) or [])]:
        last.bias.data[:] = -4
        last.logit_scale.data[...] = 0.6
    for last in [*head.cv2, *(getattr(head, "one2one_cv2", None) or [])]:
        last[-1].weight.data *= (
            4 if head.reg_max > 1 else 0.5
        )  # without bins, sides could be negative
    model.names, model.args = dict(enumerate(PROMPTS)), {"imgsz": 320}
    if form != "text":
        build_in(model, head, texts, form)
    model.task = "segment" if kind.endswith("-seg") else "detect"
    torch.save({"model": model}, path)


def build_in(model, head, texts, form):
    """As Ultralytics' `get_vocab` and `set_vocab` do it."""
    import torch

    with torch.no_grad():
        pe = head.get_tpe(texts)
        model.set_classes(PROMPTS, pe)
        # A filter of proposals that lets through about half of the cells.
        filters = [torch.nn.Conv2d(x[-1].in_channels, 1, 1) for x in head.cv3]
        head.fuse(pe)
        if form == "prompt-free":
            vocabulary = torch.nn.ModuleList(x[-1] for x in head.cv3)
            for proposals, x in zip(filters, head.cv3, strict=True):
                proposals.weight.data *= 8
                proposals.bias.data[:] = -7
                x[-1] = proposals
            model.pe = pe[:, :1]
            model.set_vocab(vocabulary, PROMPTS)

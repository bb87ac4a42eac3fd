"""Small CLIP models of random weights, in the files that the real ones come in."""

import json

import numpy as np


def tiny_open_clip(folder):
    """A small CLIP that open_clip knows as `tiny-clip`: the file of its random weights."""
    import open_clip
    import torch

    config = {
        "embed_dim": 32,
        "vision_cfg": {
            "image_size": 64,
            "layers": 2,
            "width": 64,
            "head_width": 32,
            "patch_size": 16,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 64,
            "heads": 2,
            "layers": 2,
        },
    }
    (folder / "tiny-clip.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "tiny-clip.json")
    torch.manual_seed(7)
    model = open_clip.create_model("tiny-clip")
    with torch.no_grad():
        model.logit_scale.fill_(np.log(40.0))
        # Towers of random weights say nearly the same of everything; these tell things apart.
        model.visual.conv1.weight.mul_(8)
        model.token_embedding.weight.mul_(20)
    path = folder / "tiny.pt"
    torch.save(model.state_dict(), path)
    return path


def tiny_openai_clip(path):
    """A small CLIP of OpenAI's code, with texts of 512 numbers; the model, its weights at `path`."""
    import torch
    from clip.model import CLIP

    torch.manual_seed(8)
    model = CLIP(
        embed_dim=512, image_resolution=32, vision_layers=1, vision_width=64, vision_patch_size=16,
        context_length=77, vocab_size=49408, transformer_width=64, transformer_heads=1, transformer_layers=1,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    return model.eval()

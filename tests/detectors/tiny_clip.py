"""Small CLIP models of random weights, in the files that the real ones come in."""

import json
from pathlib import Path

import numpy as np

# Made by `python -m tests.detectors.tiny_clip`.
OPENAI = Path(__file__).with_name("openai_clip.npz")
TEXTS = [
    "a red car",
    "قطة 🐈",
    "person",
    "A RED Car",
    "  a  red\tcar \n",
    "İstanbul ẞ ΣΑΣ Ǆ",
    "it's o'clock, they'll don’t",
    "&amp;amp; &lt;cat&gt;",
    "schÃ¶n schön scho\u0308n",
    "ＦＵＬＬ ﬁsh",
    "a\u00a0b\u2009c\u3000d\u0085e",
    "\u200bzero\u200d",
    "🐈‍⬛👩🏽‍🔬🇩🇪",
    "x" * 60,
    "1234567890",
    "...!!!?",
    "_under_score_ a-b/c",
    "狗在跑",
    "собака бежит",
    "<b>bold</b> \x1c\x07",
    "",
    " ".join(["otter"] * 75),
]


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
    """The state dict of a small CLIP of OpenAI's form, with texts of 512 numbers, at `path`."""
    import torch

    width, random = 64, np.random.default_rng(8)

    def block(name):
        return {
            f"{name}.attn.in_proj_weight": (3 * width, width),
            f"{name}.attn.in_proj_bias": (3 * width,),
            f"{name}.attn.out_proj.weight": (width, width),
            f"{name}.attn.out_proj.bias": (width,),
            f"{name}.ln_1.weight": (width,),
            f"{name}.ln_1.bias": (width,),
            f"{name}.mlp.c_fc.weight": (4 * width, width),
            f"{name}.mlp.c_fc.bias": (4 * width,),
            f"{name}.mlp.c_proj.weight": (width, 4 * width),
            f"{name}.mlp.c_proj.bias": (width,),
            f"{name}.ln_2.weight": (width,),
            f"{name}.ln_2.bias": (width,),
        }

    shapes = {
        "positional_embedding": (77, width),
        "text_projection": (width, 512),
        "logit_scale": (),
        "visual.class_embedding": (width,),
        "visual.positional_embedding": (5, width),
        "visual.proj": (width, 512),
        "visual.conv1.weight": (width, 3, 16, 16),
        "visual.ln_pre.weight": (width,),
        "visual.ln_pre.bias": (width,),
        **block("visual.transformer.resblocks.0"),
        "visual.ln_post.weight": (width,),
        "visual.ln_post.bias": (width,),
        **block("transformer.resblocks.0"),
        "token_embedding.weight": (49408, width),
        "ln_final.weight": (width,),
        "ln_final.bias": (width,),
    }
    state = {
        name: torch.tensor(np.asarray(random.standard_normal(shape) * 0.2, np.float32))
        for name, shape in shapes.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)


def write_openai(path):
    """What OpenAI's own code says of `TEXTS`, with the weights above; needs clip-anytorch.

    texts (n,), tokens int32 (n, 77), features float32 (n, 512) of unit length.
    """
    import clip
    import torch
    from clip.model import build_model

    weights = path.with_suffix(".pt")
    tiny_openai_clip(weights)
    model = build_model(dict(torch.load(weights, weights_only=True))).float().eval()
    weights.unlink()
    tokens = clip.tokenize(TEXTS)
    with torch.inference_mode():
        features = model.encode_text(tokens)
    features = features / features.norm(dim=-1, keepdim=True)
    np.savez_compressed(
        path, texts=np.array(TEXTS), tokens=tokens.int().numpy(), features=features.numpy()
    )


if __name__ == "__main__":
    write_openai(OPENAI)

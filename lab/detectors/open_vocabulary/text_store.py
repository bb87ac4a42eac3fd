"""What keeps text embeddings from run to run: the contract that the store fulfils."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np


class TextStore(Protocol):
    """Keeps embeddings by the name of their encoder and their text.

    Vectors are float32, shape (dimensions,).
    """

    def embeddings(self, encoder: str, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Those of the texts that it has."""
        ...

    def embedding_names(self, encoder: str) -> list[str]:
        """The texts that it has of an encoder."""
        ...

    def save_embeddings(self, encoder: str, vectors: Mapping[str, np.ndarray], source: str) -> int:
        """Keep those that are new; how many they are. source: where they come from."""
        ...

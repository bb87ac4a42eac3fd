"""Text embeddings, by encoder and text: each is computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lab.annotation import utc_now

if TYPE_CHECKING:
    from lab.store.catalog import Catalog


class EmbeddingRows:
    """The part of a store that keeps embeddings."""

    catalog: Catalog

    def embeddings(self, encoder: str, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Those that are known: text to float32 (dimensions,)."""
        with self.catalog.reading() as db:
            if db is None:
                return {}
            rows = db.execute(
                "SELECT text, vector FROM embeddings "
                "WHERE encoder = ? AND text IN (SELECT unnest(?))",
                [encoder, list(texts)],
            ).fetchall()
        return {text: np.frombuffer(vector, "<f4").copy() for text, vector in rows}

    def embedding_names(self, encoder: str) -> list[str]:
        with self.catalog.reading() as db:
            if db is None:
                return []
            rows = db.execute(
                "SELECT text FROM embeddings WHERE encoder = ? ORDER BY text", [encoder]
            )
            return [text for (text,) in rows.fetchall()]

    def embedding_counts(self) -> dict[str, int]:
        """How many are kept, by encoder."""
        with self.catalog.reading() as db:
            if db is None:
                return {}
            rows = db.execute(
                "SELECT encoder, count(*) FROM embeddings GROUP BY encoder ORDER BY encoder"
            )
            return dict(rows.fetchall())

    def differing_embeddings(self, encoder: str, vectors: Mapping[str, np.ndarray]) -> list[str]:
        """The texts that are known with another vector than these."""
        known = self.embeddings(encoder, list(vectors))
        return [
            text
            for text, vector in known.items()
            if vector.shape != vectors[text].shape
            or not np.allclose(vector, vectors[text], atol=1e-3)
        ]

    def remove_embeddings(self, encoder: str, texts: Sequence[str]) -> int:
        """Delete embeddings; returns how many there were."""
        known = self.embeddings(encoder, texts)
        if known:
            with self.catalog.transaction() as db:
                db.execute(
                    "DELETE FROM embeddings WHERE encoder = ? AND text IN (SELECT unnest(?))",
                    [encoder, list(known)],
                )
        return len(known)

    def save_embeddings(self, encoder: str, vectors: Mapping[str, np.ndarray], source: str) -> int:
        """Keep embeddings; known ones stay as they are. Returns how many are new."""
        before = set(self.embedding_names(encoder))
        fresh = {text: v for text, v in vectors.items() if text not in before}
        if fresh:
            blobs = [np.asarray(vector, "<f4").tobytes() for vector in fresh.values()]
            with self.catalog.transaction() as db:
                db.execute(
                    "INSERT OR IGNORE INTO embeddings SELECT ?, unnest(?), unnest(?), ?, ?",
                    [encoder, list(fresh), blobs, source, utc_now()],
                )
        return len(fresh)

"""What labels stand for: names of species, people, vehicles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from lab.annotation import utc_now
from lab.errors import SettingError, closest
from lab.store.catalog import Catalog
from lab.store.query import insert_columns

OBSERVATION_TYPES = ("animal", "human", "vehicle", "blank", "unknown", "unclassified")


@dataclass(frozen=True, kw_only=True)
class Taxon:
    """What a label stands for. observation_type: one of Camtrap DP's. Raises SettingError."""

    label: str
    observation_type: str
    scientific_name: str | None = None
    english_name: str | None = None
    taxon_rank: str | None = None
    taxon_id: str | None = None

    def __post_init__(self) -> None:
        if self.observation_type not in OBSERVATION_TYPES:
            raise SettingError(
                f"unknown observation type {self.observation_type!r}; "
                f"{closest(self.observation_type, list(OBSERVATION_TYPES))}"
            )
        if self.observation_type == "animal" and not self.scientific_name:
            raise SettingError(
                f"{self.label!r} is an animal without a scientific name; name one, at least that "
                "of the class, such as Mammalia"
            )


TAXON_COLUMNS = list(Taxon.__dataclass_fields__)
_DELETE = "DELETE FROM taxa WHERE label IN (SELECT unnest(?::VARCHAR[]))"


class TaxonRows:
    """The part of a store that keeps what labels stand for."""

    catalog: Catalog

    def taxa(self) -> dict[str, Taxon]:
        """Taxa by label, sorted."""
        found = self.catalog.rows(f"SELECT {', '.join(TAXON_COLUMNS)} FROM taxa ORDER BY label")
        return {row["label"]: Taxon(**row) for row in found}

    def put_taxa(self, given: Sequence[Taxon]) -> None:
        """Keep taxa, in one transaction; those of the same labels are replaced."""
        columns = {name: [asdict(one)[name] for one in given] for name in TAXON_COLUMNS}
        with self.catalog.transaction() as db:
            db.execute(_DELETE, [[one.label for one in given]])
            insert_columns(db, "taxa", columns | {"added_utc": [utc_now()] * len(given)})

    def delete_taxa(self, labels: Sequence[str]) -> None:
        with self.catalog.transaction() as db:
            db.execute(_DELETE, [list(labels)])

"""Taxa from a table: what labels stand for."""

from __future__ import annotations

from pathlib import Path

from lab.errors import SettingError
from lab.store.taxa import OBSERVATION_TYPES, Taxon
from lab.study.table_file import need_columns, raise_all, read_table_file

_CALLED = {
    "label": (),
    "observationType": ("observation_type", "type"),
    "scientificName": ("scientific_name", "species"),
    "vernacularName": ("english_name", "vernacularNames", "vernacularNames.eng", "name", "english"),
    "taxonRank": ("taxon_rank", "rank"),
    "taxonID": ("taxon_id",),
}


def read_taxa(path: str | Path, raw: bytes | None = None) -> list[Taxon]:
    """The taxa of a CSV: label, observationType, scientificName, vernacularName (in English),
    taxonRank, taxonID. raw: its content, where the path is only what it is called. Raises
    SettingError with the rows that cannot be taken; then none is.
    """
    rows, columns = read_table_file(path, _CALLED, raw)
    need_columns(path, columns, ("label", "observationType"))
    read: dict[str, Taxon] = {}
    errors = []
    for row in rows:
        if not row["label"]:
            errors.append(row.error("label is empty; each row names a label of a detector"))
            continue
        if not row["observationType"]:
            known = ", ".join(OBSERVATION_TYPES)
            errors.append(row.error(f"observationType is empty; write one of {known}"))
            continue
        if row["label"] in read:
            errors.append(row.error(f"label {row['label']!r} stands in a row above; keep one"))
            continue
        try:
            read[row["label"]] = Taxon(
                label=row["label"],
                observation_type=row["observationType"].lower(),
                scientific_name=row["scientificName"] or None,
                english_name=row["vernacularName"] or None,
                taxon_rank=row["taxonRank"] or None,
                taxon_id=row["taxonID"] or None,
            )
        except SettingError as error:
            errors.append(row.error(str(error)))
    raise_all(errors)
    return list(read.values())

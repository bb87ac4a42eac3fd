"""A store's folder, and the operations on its catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.config import load_config
from lab.errors import SettingError
from lab.store.catalog import Catalog
from lab.store.chart_rows import ChartRows
from lab.store.current_rules import CurrentRuleRows
from lab.store.deployments import DeploymentRows
from lab.store.embeddings import EmbeddingRows
from lab.store.ended_runs import EndedRunRows
from lab.store.event_sightings import EventSightings
from lab.store.experiments import ExperimentRows
from lab.store.live_sightings import LiveSightings
from lab.store.media import Registrar
from lab.store.pages import PagedRows
from lab.store.places import PlaceFile
from lab.store.retention import RetentionRows
from lab.store.reviews import ReviewRows
from lab.store.rules import RuleRows
from lab.store.runs import EndedRun, NewRun, RunRows, new_run_id
from lab.store.saved_views import SavedViews
from lab.store.sighting_batches import SightingBatches
from lab.store.sighting_groups import SightingGroups
from lab.store.study import StudyRow
from lab.store.taxa import TaxonRows

__all__ = ["EndedRun", "NewRun", "Store", "new_run_id"]


class Store(
    RunRows,
    EndedRunRows,
    RuleRows,
    CurrentRuleRows,
    SightingBatches,
    LiveSightings,
    ReviewRows,
    SightingGroups,
    PagedRows,
    SavedViews,
    ExperimentRows,
    EmbeddingRows,
    DeploymentRows,
    TaxonRows,
    StudyRow,
    EventSightings,
    RetentionRows,
    ChartRows,
    PlaceFile,
):
    """Everything that is kept. Cheap to create; the folder is created by the first write.

    folder: None takes the one that `lab.config` names: LAB_STORE, `store` in the nearest
    lab.toml, or `lab_store` in the current folder. registrar: who names the files of clips that
    are added, `browser` in the app and its workers. Its methods raise StoreError if the catalog
    cannot be used.
    """

    def __init__(self, folder: str | Path | None = None, *, registrar: Registrar = "user") -> None:
        self.registrar = registrar
        if "://" in str(folder or ""):
            raise SettingError(
                f"a store lies in a folder on a disk, got {folder}; keep it there, and give logs "
                "to others with: lab logs push"
            )
        self.folder = load_config().store if folder is None else Path(folder).absolute()
        self.catalog = Catalog(self.folder)

    @classmethod
    def coerce(cls, given: Any) -> Store:
        """A store, from what `lab.open_store` gives, from its folder, or None for the default."""
        if isinstance(given, Store):
            return given
        inner = getattr(given, "store", None)
        return inner if isinstance(inner, Store) else cls(given)

    def log_folder(self, run_id: str) -> Path:
        return self.folder / "logs" / run_id

    def pictures_folder(self, media_id: str) -> Path:
        return self.folder / "pictures" / media_id

    def playable_file(self, media_id: str) -> Path:
        return self.folder / "playable" / f"{media_id}.mp4"

    def annotated_file(self, run_id: str, rule_hash: str) -> Path:
        """The video of a run with what a rule says drawn on it, which a page made."""
        return self.folder / "annotated" / f"{run_id}-{rule_hash}.mp4"

    @property
    def removed_folder(self) -> Path:
        """Where uploads of clips go that were removed from the library."""
        return self.folder / "removed"

    def sweep_file(self, name: str) -> Path:
        return self.folder / "sweeps" / f"{name}.npz"

    @property
    def uploading_folder(self) -> Path:
        """What is known of each upload that comes or has come, in a folder by its id."""
        return self.folder / "uploading"

    @property
    def uploads_folder(self) -> Path:
        return self.folder / "uploads"

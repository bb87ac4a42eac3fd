"""What a job is asked to do, checked as what a page asks: no code, no address, no file outside."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lab.annotation import utc_now
from lab.app.server.api.given_rule import rule_given
from lab.app.server.state import AppState
from lab.detectors.plugins.secrets import is_secret, on_record, redact
from lab.detectors.registered import detectors
from lab.detectors.trust import check_allowed, named_by_path
from lab.errors import SettingError, SourceError, closest
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import AppliedRule, Work, work_of
from lab.jobs.document.checks import check_labels, check_settings
from lab.jobs.document.document import JobAnalysis
from lab.jobs.queue.named_jobs import MOST_PRIORITY
from lab.jobs.queue.queued_job import Stamp
from lab.rules.rule import THRESHOLD_DEFAULT
from lab.video.identity import identity_problem

_MOST_S = 86_400.0
_CURRENT = "current"


class NewJob(BaseModel):
    """An analysis of one clip: of the store, or a file under the media_roots."""

    model_config = ConfigDict(extra="forbid")

    media_id: str | None = Field(None, min_length=1, max_length=255)
    path: str | None = Field(None, min_length=1, max_length=4096)
    detector: str = Field("yolo", min_length=1, max_length=255)
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Of the detector, such as `weights` and `image_size`."
    )
    labels: list[str] | None = Field(
        None, max_length=1000, description="What to look for; all that the detector knows if null."
    )
    every_s: float = Field(
        0.2, ge=0, le=_MOST_S, description="Seconds between samples; 0: every frame."
    )
    gate: str | dict[str, Any] | None = None
    rule: str | dict[str, Any] | None = Field(
        None,
        description="Whose sightings are saved when it is done: a rule, the name of a saved one, "
        "or `current`.",
    )
    priority: int = Field(0, ge=-MOST_PRIORITY, le=MOST_PRIORITY)
    reuse: bool = Field(True, description="Give the run of the same recipe where there is one.")

    @model_validator(mode="after")
    def _has_one_clip(self) -> NewJob:
        if (self.media_id is None) == (self.path is None):
            raise ValueError("give either media_id or path")
        return self


def work_of_job(here: AppState, given: NewJob) -> Work:
    """Raises SettingError for what the API may not ask for, or what is not valid."""
    settings = dict(given.settings)
    _check_no_secrets(settings, "settings")
    if given.detector not in detectors.names():
        raise SettingError(
            f"no detector {given.detector!r:.80}; {closest(given.detector, detectors.names())}"
        )
    check_allowed({"name": given.detector, **settings}, here.config.services)
    if key := named_by_path({"name": given.detector, **settings}):
        raise SettingError(f"settings.{key} must be a file of the models folder, not a path")
    check_settings(JobAnalysis(name="", detector=given.detector, settings=settings), "settings")
    if given.labels is not None:
        settings["labels"] = list(given.labels)
        if detectors.package(given.detector) is None:
            check_labels(given.detector, given.labels, "labels")
    rule = _rule_of(here, given)
    work = work_of(given.detector, settings, every_s=given.every_s, gate=given.gate, rule=rule)
    return Work(
        work.analyses,
        work.rule,
        is_current=given.rule == _CURRENT,
        since=None if given.reuse else utc_now(),
    )


def clip_of_job(here: AppState, given: NewJob) -> QueuedClip:
    """Raises NotFoundError, ForbiddenError, or SourceError for a file that cannot be read."""
    if given.media_id is None:
        file = here.config.allowed(given.path or "", here.store.uploads_folder)
    else:
        here.forget(given.media_id)
        row = here.media(given.media_id)
        file = here.clip_file(row)
        if problem := identity_problem(row, reads=False):
            raise SourceError(problem)
    try:
        if not file.is_file():
            raise SourceError(f"{file} is no file; name a video")
        return QueuedClip(str(file), Stamp.of(file), given.media_id)
    except (OSError, ValueError) as error:
        raise SourceError(f"{file} cannot be read: {error}") from None


def shown_work(work: dict[str, Any]) -> dict[str, Any]:
    """What the queue keeps, as whoever may read it sees it: a page or the command line may have
    given a detector a key.
    """
    shown = dict(work)
    if isinstance(inline := work.get("inline"), dict):
        shown["inline"] = inline | _without_secrets(inline, "settings")
    return shown | _without_secrets(work, "detector")


def _without_secrets(work: dict[str, Any], name: str) -> dict[str, Any]:
    rows = work.get("analyses")
    if not isinstance(rows, list):
        return {}
    return {
        "analyses": [
            one | {k: on_record(v)[0] for k, v in one.items() if k == name} for one in rows
        ]
    }


def _check_no_secrets(value: Any, place: str) -> None:
    """The queue keeps what a job does, and gives it to whoever may read and to workers."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if is_secret(key) and inner:
                raise SettingError(
                    f"{place}.{key:.80} would be kept with the job, as keys and passwords must not "
                    "be; a plugin can take its own from the environment of the server"
                )
            _check_no_secrets(inner, f"{place}.{key:.80}")
    elif isinstance(value, list):
        for one in value:
            _check_no_secrets(one, place)
    elif isinstance(value, str) and redact(value, []) != value:
        raise SettingError(f"{place} must not have a user or password in its address")


def _rule_of(here: AppState, given: NewJob) -> AppliedRule | None:
    """With the threshold that a built-in detector declares; a plugin would have to be loaded."""
    if given.rule is None or given.rule == _CURRENT:
        return None
    threshold = THRESHOLD_DEFAULT
    if detectors.package(given.detector) is None:
        threshold = detectors.get(given.detector).default_threshold
    return AppliedRule(*rule_given(here, given.rule, threshold))

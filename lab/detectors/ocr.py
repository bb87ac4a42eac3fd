"""Detector `ocr`: reads what is written in the picture, with RapidOCR's ONNX models.

The models come with the package `rapidocr`; nothing is downloaded.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.error_lines import last_line
from lab.detectors.settings import checked_floor, wanted, whole_number
from lab.detectors.weights.files import weights_sha256
from lab.detectors.weights.loaded import note_file
from lab.detectors.yolo.exported_model import threads
from lab.errors import DetectorError, SettingError
from lab.extras import broken, need
from lab.frame import Frame

PROCESSING_VERSION = 1
ANY_TEXT = "text"
_MAX_TEXT_CHARACTERS = 200
_MATCH_TIMEOUT_S = 0.5
_MAX_ASPECT = 8  # the short side of longer pictures would be rounded away, or be enlarged
_GREY = 114


class Ocr(Detector):
    """Reads text; a label is a word to look for in it, or a regular expression.

    labels: `Exit` matches any text that contains it, ignoring case and white space;
        `/gate \\d+/` is a regular expression, case-insensitive unless it says otherwise
        (`/(?-i:Gate)/`). `text` is for all that was read (the word itself is `/text/`), and
        the only label for None. A text that several labels match is a detection of each.
    least_height_px: texts lower than this in the frame are ignored.
    image_size: longest side in pixels at which text is looked for, a multiple of 32; larger
        pictures are scaled down for that (they are read at up to 2000 px).

    The confidence is the mean probability of the characters. A text is cut at 200 characters. A
    frame on which an expression takes too long is failed.

    Raises SettingError for a setting or expression that is not valid, DetectorError if
    RapidOCR or one of its models is missing or changed.
    """

    kind = "ocr"
    default_score_floor = 0.3
    default_threshold = 0.6

    def __init__(
        self,
        *,
        labels: Sequence[str] | None = None,
        score_floor: float | None = None,
        least_height_px: int = 8,
        image_size: int = 960,
    ) -> None:
        self._floor = checked_floor(score_floor, self.default_score_floor)
        self._min_height_px = whole_number("least_height_px", least_height_px, 0, 10_000)
        whole_number("image_size", image_size, 32, 4096)
        if image_size % 32:
            raise SettingError(f"image_size must be a multiple of 32, got {image_size}")
        self._matchers = {name: matcher(name) for name in wanted(labels) or [ANY_TEXT]}
        self.labels = tuple(self._matchers)
        self.batch_size = 1
        self._engine, models = _load(image_size)
        self._recipe = {
            "detector": self.kind,
            "labels": list(self.labels),
            "score_floor": self._floor,
            "processing_version": PROCESSING_VERSION,
            "rapidocr": version("rapidocr"),
            "models_sha256": {path.name: weights_sha256(path) for path in models},
            "image_size": image_size,
            "least_height_px": self._min_height_px,
            "longest_text": _MAX_TEXT_CHARACTERS,
        }

    def recipe(self) -> dict[str, Any]:
        return dict(self._recipe)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `lab.detectors.detector.Detector`.

        Raises ValueError for a frame without a picture.
        """
        return [self._detections(frame) for frame in frames]

    def close(self) -> None:
        self._engine = None

    def _detections(self, frame: Frame) -> Detections:
        if frame.image_bgr is None:
            raise ValueError(f"frame {frame.index} has no picture: {frame.error}")
        try:
            corners, texts, scores = self._read(frame.image_bgr)
        except Exception as error:
            # RapidOCR raises errors of many kinds; some of them hold a whole traceback.
            return Detections.failed(f"text could not be read: {last_line(error)}")
        found: list[tuple[str, int]] = []
        for label, matches in self._matchers.items():
            try:
                found += [(label, i) for i, text in enumerate(texts) if matches(text)]
            except TimeoutError:
                return Detections.failed(
                    f"the expression {label} took longer than {_MATCH_TIMEOUT_S} s; make it simpler"
                )
        if not found:
            return Detections()
        rows = [i for _, i in found]
        limit = np.array([frame.image_bgr.shape[1], frame.image_bgr.shape[0]] * 2, np.float32)
        boxes = np.hstack([corners.min(axis=1), corners.max(axis=1)])
        return Detections(
            [label for label, _ in found],
            scores[rows],
            np.clip(boxes, 0, limit).astype(np.float32)[rows],
            [texts[i] for i in rows],
        )

    def _read(self, image_bgr: np.ndarray) -> tuple[np.ndarray, list[str], np.ndarray]:
        """Corners float32 (n, 4, 2), texts and confidences of what is certain and high enough."""
        read = self._engine(_padded(image_bgr))
        if getattr(read, "txts", None) is None or read.boxes is None:
            return np.zeros((0, 4, 2), np.float32), [], np.zeros(0, np.float32)
        corners = np.asarray(read.boxes, np.float32).reshape(-1, 4, 2)
        scores = np.clip(np.asarray(read.scores, np.float32), 0, 1)
        sides = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
        heights_px = (sides[:, :2] + sides[:, 2:]).min(axis=1) / 2
        kept = np.flatnonzero((scores >= self._floor) & (heights_px >= self._min_height_px))
        return (
            corners[kept],
            [tidy(read.txts[i])[:_MAX_TEXT_CHARACTERS] for i in kept],
            scores[kept],
        )


class Text(Ocr):
    """The detector `ocr` under its first name.

    Its recipe says `text`, so that it resumes runs of that name and pools with them.
    """

    kind = "text"


def tidy(text: str) -> str:
    """White space as single blanks, and one form of each character (Unicode NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def matcher(label: str) -> Callable[[str], bool]:
    """Whether a tidy text matches a label: a word or phrase, `/an expression/`, or `text`.

    The matcher of an expression raises TimeoutError where it takes too long. Raises SettingError
    for an expression that is not valid, or empty.
    """
    if label == ANY_TEXT:
        return lambda text: True
    if not (len(label) >= 2 and label.startswith("/") and label.endswith("/")):
        word = tidy(label).casefold()
        return lambda text: word in text.casefold()
    need(f"the expression {label}", "ocr", "regex")
    import regex  # its search can be given a time limit, which that of `re` cannot

    pattern = label[1:-1]
    if not pattern:
        raise SettingError("the label '//' is an empty expression; write one between the slashes")
    try:
        compiled = regex.compile(pattern, regex.IGNORECASE)
    except regex.error as error:
        where = "" if error.pos is None else f" at character {error.pos + 1}"
        raise SettingError(
            f"the label {label!r} is not a regular expression: {error.msg}{where} of {pattern!r}"
        ) from None
    return lambda text: compiled.search(text, timeout=_MATCH_TIMEOUT_S) is not None


def _padded(image_bgr: np.ndarray) -> np.ndarray:
    """The picture, widened to the right or below where it is very long; places stay."""
    height, width = image_bgr.shape[:2]
    right = max(0, -(-height // _MAX_ASPECT) - width)
    below = max(0, -(-width // _MAX_ASPECT) - height)
    if not right and not below:
        return np.ascontiguousarray(image_bgr)
    return cv2.copyMakeBorder(
        image_bgr, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(_GREY, _GREY, _GREY)
    )


def _load(image_size: int) -> tuple[Any, list[Path]]:
    """RapidOCR with its models in memory, and the models' files."""
    need("detector 'ocr'", "ocr", "rapidocr", "regex")
    try:
        import rapidocr
        from rapidocr.inference_engine.base import FileInfo, InferSession
    except ImportError as error:
        raise broken("detector 'ocr'", "rapidocr", error) from None
    engine = rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.text_score": 0.0,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads(),
            "Det.limit_type": "max",
            "Det.limit_side_len": image_size,
        }
    )
    folder = Path(rapidocr.__file__).parent / "models"
    files = []
    for task in ("Det", "Cls", "Rec"):
        config = engine.cfg[task]
        keys = ("engine_type", "ocr_version", "task_type", "lang_type", "model_type")
        known = InferSession.get_model_url(FileInfo(**{key: config[key] for key in keys}))
        files.append(_checked(folder / Path(known["model_dir"]).name, known["SHA256"]))
        # With a path of its own RapidOCR does not turn to its download.
        config.model_path = str(files[-1])
    picture = np.full((64, 160, 3), 255, np.uint8)
    cv2.putText(picture, "A1", (20, 48), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (0, 0, 0), 3)
    try:
        engine(picture)
    except Exception as error:
        raise DetectorError(
            f"RapidOCR {_rapidocr_version()} cannot read ({last_line(error)}); run: "
            "pip install --force-reinstall rapidocr"
        ) from None
    return engine, files


def _checked(path: Path, sha256: str) -> Path:
    way_out = "run: pip install --force-reinstall rapidocr"
    if not path.is_file():
        raise DetectorError(f"no text model at {path}; {way_out}")
    note_file(path)
    got = weights_sha256(path)
    if got != sha256:
        raise DetectorError(
            f"the text model {path} has sha256 {got[:12]}..., expected {sha256[:12]}...; {way_out}"
        )
    return path


def _rapidocr_version() -> str:
    try:
        return version("rapidocr")
    except PackageNotFoundError:
        return "of unknown version"

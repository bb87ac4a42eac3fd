"""Lists in files, YAML or JSON by the ending: read with limits, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.detectors.weights.loaded import note_file
from lab.errors import SettingError

MAX_FILE_BYTES = 4 << 20
SUFFIXES = (".yaml", ".yml", ".json")


def read_list(path: Path, what: str) -> Any:
    """What the file holds, unchecked. what: words for messages, such as "brands".

    Raises SettingError if it has another ending, is too large, or cannot be read.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SettingError(f"{path} is not a list of {what}; those end in {', '.join(SUFFIXES)}")
    note_file(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SettingError(
                f"{path} is larger than {MAX_FILE_BYTES} bytes; a list of {what} is not"
            )
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    import yaml

    try:
        return json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        line = " ".join(str(error).split())[:160]
        raise SettingError(f"{path} is not valid {path.suffix[1:].upper()} ({line})") from None


def write_list(value: Any, target: Path) -> None:
    """An older file stays if writing fails. Raises SettingError."""
    if target.suffix.lower() not in SUFFIXES:
        raise SettingError(f"{target} must end in {', '.join(SUFFIXES)}")
    if target.suffix.lower() == ".json":
        text = json.dumps(value, ensure_ascii=False, indent=1)
    else:
        import yaml

        text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=100)
    try:
        write_atomically(target, text)
    except OSError as error:
        raise SettingError(f"{target} cannot be written ({error.strerror})") from None

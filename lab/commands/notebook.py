"""`experiments`, `reproduce`: the lab notebook."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Command = Callable[..., argparse.ArgumentParser]


def add(command: Command) -> list[argparse.ArgumentParser]:
    return []

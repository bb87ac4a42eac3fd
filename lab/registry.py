"""One small registry: names, factories, entry points.

Built-ins are named as an installed plugin would name its own, as `module:attribute`. A plugin is
imported only when somebody asks for it, and whatever its import raises stays its own trouble.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Any, TypeVar

from lab.errors import LabError, SettingError, closest

T = TypeVar("T")


class Registry:
    """The implementations of one kind, found by name.

    kind: the word for messages. group: the entry-point group of plugins.
    """

    def __init__(self, kind: str, group: str, built_in: Mapping[str, str]) -> None:
        self.kind = kind
        self._group = group
        self._built_in = {name: EntryPoint(name, place, group) for name, place in built_in.items()}

    def names(self) -> list[str]:
        """All that can be asked for, whether it works or not."""
        return sorted({*self._built_in, *self._plugins()[0]})

    def __contains__(self, name: str) -> bool:
        """Whether it can be asked for; plugins, which take 15 ms to list, are the last resort."""
        return name in self._built_in or name in self._plugins()[0]

    def get(self, name: str) -> Any:
        """The factory of that name.

        Raises SettingError if there is none, LabError if its package cannot be imported, or two
        packages claim the name.
        """
        if name in self._built_in:
            return load(f"{self.kind} {name!r}", self._built_in[name])
        plugins, _ = self._plugins()
        if name not in plugins:
            known = sorted({*self._built_in, *plugins})
            raise SettingError(f"unknown {self.kind} {name!r}; {closest(name, known)}")
        if len(plugins[name]) > 1:
            raise LabError(f"{self.kind} {name!r} cannot be loaded: {_claimed(plugins[name])}")
        (point,) = plugins[name]
        return load(f"{self.kind} {name!r} of {_words(package_of(point))}", point)

    def make(self, name: str, base: type[T], *args: Any, **settings: Any) -> T:
        """What the factory of that name makes, which must be a `base`.

        Raises as `get` does; SettingError for settings that it does not take, LabError for
        whatever else its code raises, or for something that is no `base`.
        """
        factory = self.get(name)
        try:
            inspect.signature(factory).bind(*args, **settings)
        except TypeError as error:
            raise SettingError(
                f"{self.kind} {name!r} does not take these settings: {error}"
            ) from None
        except ValueError:
            pass  # a compiled class says nothing of what it takes
        try:
            made = factory(*args, **settings)
        except LabError:
            raise
        except (Exception, SystemExit) as error:
            raise LabError(
                f"{self.kind} {name!r} cannot be made: {in_words(error)}"[:600]
            ) from error
        if not isinstance(made, base):
            got, wanted = type(made).__name__, f"{base.__module__}.{base.__name__}"
            raise LabError(f"{self.kind} {name!r} gave a {got}, expected a {wanted}")
        return made

    def package(self, name: str) -> dict[str, str] | None:
        """`name` and `version` of the package that gives the plugin; None for a built-in."""
        if name in self._built_in:
            return None
        points = self._plugins()[0].get(name)
        return package_of(points[0]) if points else None

    def problems(self) -> dict[str, str]:
        """Plugins that cannot be used, and why; the plugins are imported to find out.

        A package whose list of entry points cannot be read is there under its own name.
        """
        plugins, found = self._plugins()
        for name, points in sorted(plugins.items()):
            if name in self._built_in:
                others = ", ".join(_words(package_of(point)) for point in points)
                found[name] = f"{others} gives this name, too; the built-in one is used"
                continue
            try:
                self.get(name)
            except LabError as error:
                found[name] = str(error)
        return found

    def _plugins(self) -> tuple[dict[str, list[EntryPoint]], dict[str, str]]:
        points, broken = _entry_points(self._group)
        plugins: dict[str, list[EntryPoint]] = {}
        for point in points:
            same = plugins.setdefault(point.name, [])
            if not any(point.value == p.value and package_of(point) == package_of(p) for p in same):
                same.append(point)
        return plugins, broken


def load(what: str, point: EntryPoint) -> Any:
    """What an entry point names: a class or a function. Raises LabError if it gives none."""
    try:
        found = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Whatever the import of somebody's package raises, SystemExit too: it alone is broken.
        raise LabError(f"{what} cannot be loaded: {in_words(error)}"[:600]) from error
    if not callable(found):
        kind = type(found).__name__
        raise LabError(
            f"{what} cannot be loaded: {point.value} is a {kind}, not a class or function"
        )
    return found


def in_words(error: BaseException) -> str:
    """The type and message of an exception of somebody else's code, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def package_of(point: EntryPoint) -> dict[str, str]:
    """The name and version of the package that an entry point belongs to."""
    try:
        if point.dist is not None:
            return {"name": str(point.dist.name), "version": str(point.dist.version)}
    except Exception:
        # Metadata that cannot be read name nothing; the entry point may work all the same.
        pass
    return {"name": "unknown", "version": "unknown"}


def _words(package: Mapping[str, str]) -> str:
    return f"{package['name']} {package['version']}"


def _claimed(points: list[EntryPoint]) -> str:
    who = " and ".join(sorted(f"{_words(package_of(p))} ({p.value})" for p in points))
    return f"{who} give the same name; uninstall one of them"


def _entry_points(group: str) -> tuple[list[EntryPoint], dict[str, str]]:
    """The group's entry points, and the packages whose list of them cannot be read."""
    try:
        return list(entry_points(group=group)), {}
    except Exception:
        # One package's broken list must not hide those of the others: read them one by one.
        pass
    points: dict[tuple[str, str], EntryPoint] = {}
    broken: dict[str, str] = {}
    for package in distributions():
        try:
            for point in package.entry_points.select(group=group):
                points.setdefault((package.name, point.name), point)
        except Exception as error:
            broken[_name_of(package)] = f"its entry_points.txt cannot be read: {error}"
    return list(points.values()), broken


def _name_of(package: Distribution) -> str:
    try:
        return str(package.name)
    except Exception:
        return "a package without a name"

"""Plug-ins: parts that other distributions bring, found by their entry points and loaded when they are named.

An engine, sink, camera or network from outside the package is an entry point of one of `GROUPS`; docs/extend.md has an
example. To find one reads the metadata of what is installed, which costs tens of milliseconds on a board: nobody asks
before a name is given that is none of the package's own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from waste_edge.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Group = Literal["engines", "sinks", "cameras", "networks"]
GROUPS: tuple[Group, ...] = ("engines", "sinks", "cameras", "networks")
_LONGEST = 300  # letters of what a plug-in says when it fails

T = TypeVar("T")


class UnknownPartError(ConfigError):
    """No part of this name, neither the package's own nor a plug-in."""


@dataclass(frozen=True)
class PlugIn:
    """An entry point of an installed distribution; nothing of it is imported yet.

    Attributes:
        group: what it adds.
        name: by which it is named in a configuration or behind an option.
        entry_point: what it leads to.
    """

    group: Group
    name: str
    entry_point: EntryPoint

    @property
    def distribution(self) -> str:
        """The distribution that brings it, with its version."""
        found = self.entry_point.dist
        return f"{found.name} {found.version}" if found is not None else "an unknown distribution"

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution})"


def group_name(group: Group) -> str:
    """The group's name in a distribution's metadata."""
    return f"waste_edge.{group}"


def installed_plugins(group: Group) -> list[PlugIn]:
    """The plug-ins of a group, by name; nothing of them is imported."""
    from importlib.metadata import entry_points

    entries = entry_points(group=group_name(group))
    found = {(entry.name, entry.value): PlugIn(group, entry.name, entry) for entry in entries}
    return [found[key] for key in sorted(found)]


def find_plugin(group: Group, name: str, own: Collection[str] = ()) -> PlugIn:
    """The plug-in of this name.

    Args:
        group: what it adds.
        name: as it was given.
        own: the package's own parts, for the message.

    Raises:
        UnknownPartError: there is none; the message names those there are.
        ConfigError: two distributions bring one of this name.
    """
    plugins = installed_plugins(group)
    found = [plugin for plugin in plugins if plugin.name == name]
    if not found:
        names = [*own, *(plugin.name for plugin in plugins)]
        known = f"expected one of {', '.join(names)}" if names else "none is installed"
        raise UnknownPartError(
            f"{name!r:.80} is not known; {known}; more come as plug-ins, {group_name(group)} (docs/extend.md)"
        )
    if len(found) > 1:
        both = " and ".join(f"{plugin.entry_point.value} of {plugin.distribution}" for plugin in found)
        raise ConfigError(f"{group_name(group)}: {name} is {both}; uninstall one of them")
    return found[0]


def load_plugin(plugin: PlugIn, kind: type[T]) -> T:
    """Import what a plug-in's entry point leads to.

    Args:
        plugin: as it was found.
        kind: what it has to be: an instance of this, or a subclass where `kind` is a metaclass.

    Raises:
        ConfigError: it cannot be imported, or is something else; the message names distribution and entry point.
    """
    entry = plugin.entry_point
    where = f"{plugin.distribution}: the entry point {group_name(plugin.group)}: {plugin.name} = {entry.value}"
    try:
        loaded = entry.load()
    except Exception as error:
        said = " ".join(str(error).split())[:_LONGEST]
        raise ConfigError(
            f"{where} cannot be loaded ({type(error).__name__}: {said}); reinstall {plugin.distribution}, or do "
            f"without {plugin.name}"
        ) from error
    if not isinstance(loaded, kind):
        raise ConfigError(f"{where} is {type(loaded).__name__}; expected {kind.__name__} (docs/extend.md)")
    return loaded


def resolve(reference: str) -> object:
    """Import what `module:name` leads to.

    Raises:
        ImportError: there is no such module, or it has no such name, or it lacks a library.
    """
    import importlib

    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise ImportError(f"{module} has no {name!r}") from error

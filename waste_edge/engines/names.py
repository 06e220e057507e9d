"""The table of engines: what each is called, which networks it runs, and what must be installed for it.

Apart from the engines themselves, since a configuration names one before anything heavy is imported. The next engine is
a file beside this one and a row in `ENGINES`; one from another distribution is an entry point of the group
`waste_edge.engines` that leads to an `EngineSpec` (docs/extend.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from waste_edge.plugins import find_plugin, load_plugin

EngineName = str  # a key of ENGINES, or a plug-in's
Precision = Literal["fp32", "int8"]
NetworkFormat = Literal["onnx", "tflite"]  # of the networks in a bundle; docs/bundle.md
AUTO: Literal["auto"] = "auto"  # the preferred engine that is installed

LITERT_MODULES = ("ai_edge_litert", "tflite_runtime")  # same Interpreter, the maintained one first


@dataclass(frozen=True)
class EngineSpec:
    """One engine.

    Attributes:
        name: as in a configuration and behind `--engine`.
        format: which of a bundle's networks it runs: `onnx-fp32` and `onnx-int8`, or `tflite-fp32` and `tflite-int8`.
        modules: of these it needs one, the preferred first.
        package: what is to be installed for it.
        opener: `module:name` of what takes a `bundle.files.NetworkFile` and a number of threads and gives an
            `engines.interface.Engine`; imported when a network is loaded.
        importer: `module:name` of what imports its library, without arguments, where `opener`'s module does not.
    """

    name: str
    format: NetworkFormat
    modules: tuple[str, ...]
    package: str
    opener: str
    importer: str = ""


ENGINES: dict[EngineName, EngineSpec] = {  # in the order `auto` prefers them
    "litert": EngineSpec(
        name="litert",
        format="tflite",
        modules=LITERT_MODULES,
        package="ai-edge-litert",
        opener="waste_edge.engines.litert:LiteRtEngine",
        importer="waste_edge.engines.litert:find_interpreter",
    ),
    "onnx": EngineSpec(
        name="onnx",
        format="onnx",
        modules=("onnxruntime",),
        package="onnxruntime",
        opener="waste_edge.engines.onnx:OnnxEngine",
    ),
}


def engine_spec(name: EngineName) -> EngineSpec:
    """An engine by its name; a plug-in is imported now.

    Raises:
        ConfigError: there is none of this name, or the plug-in cannot be loaded.
    """
    return ENGINES.get(name) or _plugin_spec(name)


@cache
def _plugin_spec(name: EngineName) -> EngineSpec:
    return load_plugin(find_plugin("engines", name, ENGINES), EngineSpec)


def check_engine_name(name: str) -> None:
    """Raise ConfigError unless this is `auto`, an engine, or an installed plug-in's name; imports nothing of it."""
    if name != AUTO and name not in ENGINES:
        find_plugin("engines", name, (AUTO, *ENGINES))


def format_of(artifact: str) -> NetworkFormat:
    """The format of a bundle's artifact: `onnx` of `onnx-int8`."""
    formats: dict[str, NetworkFormat] = {"onnx": "onnx", "tflite": "tflite"}
    return formats[artifact.partition("-")[0]]


def engines_with(named: Iterable[EngineName] = ()) -> list[EngineName]:
    """The package's engines, and those that were named beside them."""
    return list(dict.fromkeys([*ENGINES, *(name for name in named if name != AUTO)]))

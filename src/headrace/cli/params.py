"""Parameters of a pipeline from a file."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from headrace.cli.ending import Refusal
from headrace.cli.flags import convertible, hints_of
from headrace.cli.target import AnyFlow
from headrace.graph.hints import describe
from headrace.graph.values import shown

__all__ = ["known_parameters"]

FLAG = "--params-file"


def known_parameters(flow: AnyFlow, flags: Sequence[str], target: str) -> dict[str, Any]:
    """The parameters in the file that the flags name, converted; none if they name none.

    Raises: Refusal: the file cannot be read, or has something else than parameters of the pipeline.
    """
    path = None if FLAG.strip("-").replace("-", "_") in hints_of(flow) else _named(flags)
    if path is None:
        return {}
    where = "standard input" if path == "-" else path
    fix = f"see headrace run {target} --help"
    return {name: _converted(flow, name, value, where, fix) for name, value in _read(path, where).items()}


def _named(flags: Sequence[str]) -> str | None:
    """The file that the flags name: it must be read before they are."""
    for flag, following in zip(flags, [*flags[1:], None], strict=False):
        if flag == FLAG:
            return following
        if flag.startswith(f"{FLAG}="):
            return flag.removeprefix(f"{FLAG}=")
    return None


def _read(path: str, where: str) -> dict[str, Any]:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise Refusal(f"{where}: cannot be read: {error.strerror}; give a JSON or TOML file, or -") from error
    is_json = data.lstrip()[:1] in (b"{", b"[") if path == "-" else path.endswith(".json")
    try:
        found = msgspec.json.decode(data) if is_json else msgspec.toml.decode(data)
    except msgspec.DecodeError as error:
        raise Refusal(f"{where}: must be {'JSON' if is_json else 'TOML'}, got other data: {error}; mend it") from error
    if not isinstance(found, dict):
        raise Refusal(f"{where}: must hold parameters by name, got {shown(found)}; write it as an object")
    return found


def _converted(flow: AnyFlow, name: str, value: Any, where: str, fix: str) -> Any:
    """The value of a parameter. Text is read as that of a flag is."""
    from cyclopts import CycloptsError, convert

    parameters = flow._parameters.parameters
    if name not in parameters:
        near = difflib.get_close_matches(name, parameters)
        fix = f"did you mean {near[0]}?" if near else f"it takes {', '.join(parameters) or 'none'}"
        raise Refusal(f"{where}: {flow._where} has no parameter {shown(name)}; {fix}")
    hint = convertible(hints_of(flow)[name], value)
    tokens = [value] if isinstance(value, str) else value
    try:
        if isinstance(tokens, list) and tokens and all(isinstance(token, str) for token in tokens):
            return convert(hint, tokens)
        return msgspec.convert(value, hint, strict=False, dec_hook=_made)
    except (CycloptsError, msgspec.ValidationError, TypeError, ValueError) as error:
        raise Refusal(f"{where}: {name} must be {describe(hint)}, got {shown(value)}; {fix}") from error


def _made(kind: type, value: Any) -> Any:
    """An object of a class of the user's own."""
    return kind(**value) if isinstance(value, Mapping) else kind(value)

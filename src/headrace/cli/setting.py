"""`--set fetch.max_in_flight=50`: other options for steps, in one run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from headrace.cli.ending import Refusal
from headrace.graph.options import Options

__all__ = ["settings"]

NEEDS_CODE = ("mode", "limit", "retry", "code")  # how a step is put into its pipeline, and what no text can say
TYPES = {field.name: field.type for field in msgspec.structs.fields(Options) if field.name not in NEEDS_CODE}


def settings(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By the names of steps, their options.

    Raises: Refusal: one is no STEP.OPTION=VALUE, or there is no such option.

    >>> settings(["fetch.max_in_flight=50", "fetch.on_error=skip", "pages_of/links.timeout=2.5"])
    {'fetch': {'max_in_flight': 50, 'on_error': 'skip'}, 'pages_of/links': {'timeout': 2.5}}
    """
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        match = re.fullmatch(r"(.+)\.(\w+)=(.*)", text, re.DOTALL)
        if match is None:
            raise Refusal(
                f"--set: must be STEP.OPTION=VALUE, such as fetch.max_in_flight=50, got {text!r}; write it so"
            )
        step, option, value = match.groups()
        found.setdefault(step, {})[option] = _converted(value, _type_of(option, text))
    return found


def _type_of(option: str, text: str) -> Any:
    if option in TYPES:
        return TYPES[option]
    near = difflib.get_close_matches(option, TYPES)
    fix = f"did you mean {near[0]}?" if near else f"the options are {', '.join(TYPES)}"
    raise Refusal(f"--set {text}: '{option}' is no option that can be set so; {fix}")


def _converted(text: str, kind: Any) -> Any:
    """The value; text that is none is left to whoever checks options, and says what they may be."""
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        return text

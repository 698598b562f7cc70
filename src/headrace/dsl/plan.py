"""Names resolved: which data set each parameter of each step means, and in which order the steps can be recorded.

Lives here: the plan of a pipeline that is wired by name. Must not live here: when two names are one noun (nouns.py),
how a hint takes data (delivery.py), or anything that is recorded (autowire.py).

The rules:

1. A data set is a parameter of the pipeline or what a step gives, and has its name. Two whose names are forms of one
   noun are an error.
2. A parameter of a step means the data set of its name, or else the one of whose name its own is another form. Two that
   mean the same one are an error. Where there is none, the parameter keeps its default.
3. A parameter that is hinted with the class of the pipeline's parameters means all of them.
4. A step comes after those that it reads, and else in the order of the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.dsl.flow import Flow
from headrace.dsl.include import Include
from headrace.dsl.nouns import Nouns
from headrace.dsl.params import read_params
from headrace.dsl.step import Step, as_step
from headrace.errors import WiringError
from headrace.graph.callee import Callee, Parameter
from headrace.graph.order import CycleError, cycle_of, in_order
from headrace.graph.values import shown

__all__ = ["WHOLE", "Part", "Plan", "planned"]

WHOLE = "(params)"  # the data set of all parameters in one; no name has parentheses


@dataclass(frozen=True, slots=True)
class Part:
    """A step or sub-pipeline, and the data set that each of its parameters means."""

    name: str
    flow: Flow[Any, Any]
    adapter: Step[Any, Any] | None = None
    included: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def reader(self) -> Flow[Any, Any]:
        """Whose parameters are bound."""
        return self.adapter or self.flow

    @property
    def owner(self) -> str:
        """Who gives the data set, in the text of a message."""
        return f"include '{self.name}' ({self.included})" if self.included else self.flow._where

    def __str__(self) -> str:
        return self.owner if self.adapter is None else self.adapter._where


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline whose names have been resolved; its parts are in an order in which they can be recorded."""

    where: str
    place: str
    params: Callee | None
    parts: tuple[Part, ...]
    returns: str | tuple[str, ...] | None
    readers: Counter[str]
    owners: Mapping[str, str]  # who gives each data set, in the text of a message


def planned(where: str, place: str, steps: Any, params: Any, returns: Any) -> Plan:
    """The plan of a pipeline of these steps.

    Raises: WiringError: a name means nothing, or too much.
    """
    made = None if params is None else read_params(params, where)
    parts = _parts(where, steps)
    names = _Names(where, place, made, parts)
    parts = _ordered(where, [replace(part, sources=names.sources(part, params)) for part in parts])
    readers = Counter(source for part in parts for source in part.sources.values())
    return Plan(where, place, made, tuple(parts), names.outputs(returns), readers, names.owners)


def _parts(where: str, steps: Any) -> list[Part]:
    if isinstance(steps, (str, Flow)) or not isinstance(steps, Iterable):
        raise WiringError(f"{where}: steps must be a list of steps, got {shown(steps)}; give a list")
    parts = [_part(where, each) for each in steps]
    if not parts:
        raise WiringError(f"{where}: needs a step at least, got an empty list; list the steps")
    return parts


def _part(where: str, given: Any) -> Part:
    if isinstance(given, Include):
        return Part(given.name, given.pipeline, given.adapter, given.place)
    if not callable(given):
        raise WiringError(
            f"{where}: is made of steps, got {shown(given)} among them; list functions, steps, pipelines, and what "
            "include(...) gives"
        )
    flow = given if isinstance(given, Flow) else as_step(given)
    return Part(flow.name, flow)


class _Names:
    """The names of the data sets, and what a name means among them."""

    def __init__(self, where: str, place: str, params: Callee | None, parts: Sequence[Part]) -> None:
        self.where = where
        self.place = place
        self.owners = {}
        if params is not None:
            self.owners = {name: f"parameter '{name}' of {params.name}" for name in params.parameters}
        self.parameters = set(self.owners)
        for part in parts:
            if part.name in self.owners:
                raise self._clash(self.owners[part.name], part.owner)
            self.owners[part.name] = part.owner
        self.nouns = Nouns(self.owners)
        clash = self.nouns.clash()
        if clash is not None:
            raise self._clash(*(self.owners[name] for name in clash))

    def sources(self, part: Part, params: Any) -> dict[str, str]:
        """The data set that each parameter of `part` means, but for those that keep their defaults."""
        callee = part.reader.callee
        if callee.signature is None:
            raise WiringError(
                f"{part}: must have parameters with names to be wired by, got a function of which Python does not tell "
                f"them; wrap it in one of your own (called at {self.place})"
            )
        found: dict[str, str] = {}
        for name, parameter in callee.parameters.items():
            source = None if parameter.variadic else self._source(part, parameter, params)
            if source == part.name:
                raise WiringError(
                    f"{part}: must not wait for its own result, got the parameter '{name}', which means just that; "
                    f"rename the step or the parameter (called at {self.place})"
                )
            if source is None:
                continue
            twin = next((each for each, other in found.items() if other == source), None)
            if twin is not None:
                raise WiringError(
                    f"{part}: its parameters must mean different data, got '{twin}' and '{name}', which both mean "
                    f"{self.owners.get(source, 'all parameters')}; leave one of them out (called at {self.place})"
                )
            found[name] = source
        return found

    def _source(self, part: Part, parameter: Parameter, params: Any) -> str | None:
        name = parameter.name
        if name in self.owners:
            return name
        if params is not None and parameter.hint is params:
            return WHOLE
        found = self.nouns.like(name)
        if len(found) > 1:
            those = " and ".join(self.owners[each] for each in found)
            raise WiringError(
                f"{part}: takes '{name}', which may mean {those}; name it as one of them (called at {self.place})"
            )
        if not found and parameter.required:
            others = [each for each in self.owners if each != part.name]
            raise WiringError(
                f"{part}: takes '{name}', got no step or parameter of that name; {_fix(name, others)} (called at "
                f"{self.place})"
            )
        return next(iter(found), None)

    def outputs(self, returns: Any) -> str | tuple[str, ...] | None:
        """The names of the data sets that the pipeline gives, as they were listed."""
        if returns is None:
            return None
        if isinstance(returns, str):
            return self._output(returns)
        if not isinstance(returns, Sequence):
            raise WiringError(
                f"{self.where}: returns must be the name of a step, or a tuple of names, got {shown(returns)}; "
                "leave it out to return what no other step reads"
            )
        return tuple(map(self._output, returns))

    def _output(self, name: Any) -> str:
        found = self.nouns.like(name) if isinstance(name, str) else []
        if not found:
            steps = [each for each in self.owners if each not in self.parameters]
            raise WiringError(f"{self.where}: returns must name a step, got {shown(name)}; {_fix(str(name), steps)}")
        if found[0] in self.parameters:
            raise WiringError(
                f"{self.where}: returns must name a step, got {self.owners[found[0]]}; whoever runs it has that already"
            )
        return found[0]

    def _clash(self, one: str, other: str) -> WiringError:
        return WiringError(
            f"{self.where}: each name must mean one data set, got {one} and {other}, which mean the same; rename one "
            "of them"
        )


def _fix(name: str, known: Sequence[str]) -> str:
    import difflib  # slow to load, and only for this

    close = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean '{close[0]}'? " if close else ""
    return f"{meant}the names are {', '.join(known)}" if known else "there is none"


def _ordered(where: str, parts: Sequence[Part]) -> list[Part]:
    by_name = {part.name: part for part in parts}
    try:
        names = in_order({part.name: [each for each in part.sources.values() if each in by_name] for part in parts})
    except CycleError as error:
        cycle = " -> ".join(by_name[name].owner for name in cycle_of(error))
        raise WiringError(
            f"{where}: steps must not wait for each other, got the cycle {cycle}; rename a parameter, or leave it out"
        ) from None
    return [by_name[name] for name in names]

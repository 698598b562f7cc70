"""What a generated pipeline gives, by plain Python over lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from headrace import LengthError
from tests.properties.cases import PER_ITEM, VALUES, Case
from tests.properties.scripts import END, Boom, Script, number_of, script_of, seen

__all__ = ["CATCH", "GIVE", "Known", "comparable", "evaluated", "failure_of", "note_of", "results"]

GIVE, CATCH = -1, -2  # actions; the others are the number of the input that is taken from


@dataclass
class Known:
    """All that a step does: the items that it gives (or its value), what it fails with, and its actions in order."""

    items: list[Any] = field(default_factory=list)
    caught: list[Any] = field(default_factory=list)
    value: Any = None
    failure: str | None = None
    actions: list[int] = field(default_factory=list)
    own_failure: bool = False
    failed_at: int | None = None  # the number of the item, if it is called per item


def failure_of(error: BaseException) -> str | None:
    """The failure that `error` is, if it is one that generated pipelines have."""
    if isinstance(error, LengthError):
        return "streams differ in length"
    return error.args[0] if isinstance(error, Boom) else None


def evaluated(case: Case) -> list[Known]:
    """Every step of the pipeline by itself, each after those that it reads."""
    known: list[Known] = []
    for index, op in enumerate(case.ops):
        given = [] if op.value is None else [known[op.value]]
        if failures := [each.failure for each in given if each.failure]:
            known.append(Known(failure=failures[0]))  # it never starts
            continue
        arguments = [case.count] if op.kind == "source" else [each.value for each in given]
        script = script_of(op, case.name(index), arguments, policy=True)
        inputs = [known[source] for source in op.inputs]
        if op.kind == "failures":
            inputs = [Known(items=inputs[0].caught, failure=inputs[0].failure)]
        known.append(_played(script, inputs))
    return known


def _played(script: Script, inputs: list[Known]) -> Known:
    played, positions, reply = Known(), [0] * len(inputs), None
    while True:
        try:
            action = script.send(reply)
        except StopIteration as end:
            played.value = end.value
            return played
        except (Boom, LengthError) as error:
            played.failure, played.own_failure = failure_of(error), True
            played.failed_at = getattr(error, "number", None) or played.actions.count(0)
            return played
        if isinstance(action, (tuple, list)):
            given = isinstance(action, tuple)
            (played.items if given else played.caught).append(action[0])
            played.actions.append(GIVE if given else CATCH)
            reply = None
            continue
        played.actions.append(action)
        source, position = inputs[action], positions[action]
        positions[action] += 1
        if position < len(source.items):
            reply = source.items[position]
        elif source.failure is not None:
            played.failure = source.failure
            return played
        else:
            reply = END


def comparable(case: Case, index: int, value: Any) -> Any:
    """The value or the items of a step, without the order where that is open."""
    value = seen(value)
    if index in case.shuffled and isinstance(value, list):
        return sorted(value, key=lambda item: (number_of(item), repr(item)))
    return value


def results(case: Case, known: list[Known]) -> tuple[Any, ...]:
    """The values that the pipeline returns."""
    values = [comparable(case, i, known[i].value) for i, op in enumerate(case.ops) if op.kind in VALUES]
    return tuple(values + [comparable(case, index, known[index].items) for index in case.unread])


def note_of(case: Case, known: list[Known], index: int) -> str:
    """A pattern of the note that says that this step has failed, and at which item if it is called per item."""
    op = case.ops[index]
    known_item = op.kind in PER_ITEM and index not in case.shuffled
    at = rf" at item {known[index].failed_at};" if known_item else ""
    return rf"step '{case.name(index)}' \(building.py:\d+\) failed{at}"

"""Names that mean the same data set: `item` and `items`, `person` and `people`, `users_list` and `users`.

Lives here: when two names are forms of one noun. That is a question about two given names, not the making of a plural,
so a table of endings answers it, irregular nouns included; nothing has to be loaded for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["Noun", "Nouns", "noun_of"]

Noun = tuple[str, str]  # what stands before the last word of a name, and the last word

COLLECTED = re.compile(r"(?<=.)_(list|set|dict|tuple)$")
ENDINGS = [  # of one, and of many, beside the plain `s`
    *((ending, f"{ending}es") for ending in ("s", "x", "z", "ch", "sh", "o")),  # box, boxes
    ("z", "zzes"),  # quiz, quizzes
    ("y", "ies"),  # city, cities
    ("f", "ves"),  # leaf, leaves
    ("fe", "ves"),  # life, lives
    ("is", "es"),  # analysis, analyses
    ("ix", "ices"),  # matrix, matrices
    ("ex", "ices"),  # index, indices
    ("us", "i"),  # radius, radii
    ("pus", "pora"),  # corpus, corpora
    ("um", "a"),  # datum, data
    ("on", "a"),  # criterion, criteria
    ("a", "ae"),  # formula, formulae
    ("ma", "mata"),  # schema, schemata
    ("man", "men"),
    ("child", "children"),
    ("person", "people"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("goose", "geese"),
    ("mouse", "mice"),
    ("ox", "oxen"),
    ("die", "dice"),
]
CHANGES: dict[str, list[tuple[str, str]]] = {}  # by the last letter: an ending, and what may stand in its place
for _one, _many in ENDINGS:
    CHANGES.setdefault(_one[-1], []).append((_one, _many))
    CHANGES.setdefault(_many[-1], []).append((_many, _one))


def noun_of(name: str) -> Noun:
    """A name without `_list`, `_set`, `_dict` or `_tuple`, in two parts.

    >>> noun_of("raw_users_list"), noun_of("pages"), noun_of("set")
    (('raw_', 'users'), ('', 'pages'), ('', 'set'))
    """
    name = COLLECTED.sub("", name)
    start = name.rfind("_") + 1
    return name[:start], name[start:]


def other_forms(noun: Noun) -> Iterator[Noun]:
    """The noun in the plural if it is a singular, and in the singular if it is a plural, in every way that may be.

    >>> ("", "people") in other_forms(("", "person")), ("old_", "index") in other_forms(("old_", "indices"))
    (True, True)
    """
    before, word = noun
    if not word.endswith("s"):
        yield before, f"{word}s"
    elif not word.endswith("ss"):
        yield before, word.removesuffix("s")
    for ending, other in CHANGES.get(word[-1:], ()):
        if word.endswith(ending):
            yield before, word.removesuffix(ending) + other


class Nouns:
    """The names of data sets, to be found by any form of their noun.

    >>> Nouns(["pages", "person"]).like("people_list"), Nouns(["page", "pages", "status"]).clash()
    (['person'], ('page', 'pages'))
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names: dict[Noun, list[str]] = {}
        for name in names:
            self.names.setdefault(noun_of(name), []).append(name)

    def like(self, name: str) -> list[str]:
        """The names that are forms of the same noun."""
        noun = noun_of(name)
        return [found for form in dict.fromkeys((noun, *other_forms(noun))) for found in self.names.get(form, ())]

    def clash(self) -> tuple[str, str] | None:
        """The first two names that mean the same data set, if there are two."""
        for names in self.names.values():
            for name in names:
                for other in self.like(name):
                    if other is not name:
                        return name, other
        return None

"""Writes the published JSON Schema of the DAG after a change of its structs: `python tools/dag_schema.py`.

A test compares the file with the structs. A change that breaks readers also needs a new `SCHEMA_VERSION`.
"""

import json
from pathlib import Path

from headrace.graph import dag

FILE = Path(dag.__file__).with_name("dag.schema.json")


def text() -> str:
    return json.dumps(dag.schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    print(f"wrote {FILE}")

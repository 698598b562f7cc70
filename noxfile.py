"""Every routine job: `nox -s` with one of the sessions below; `nox -l` lists them."""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["tests", "types", "lint"]
nox.options.reuse_venv = "yes"

PYPROJECT = nox.project.load_toml("pyproject.toml")
SNAPSHOTS = "tests/__snapshots__"


def group(name: str) -> tuple[str, ...]:
    """The requirements of one dependency group."""
    return nox.project.dependency_groups(PYPROJECT, name)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the two main jobs on real input, with the runtime dependencies alone."""
    session.install(".")
    session.run("python", "corpus/source_index.py")
    session.run("python", "corpus/crawl_site.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests and the examples in docstrings; arguments after `--` go to pytest."""
    session.install("-e", ".", *group("test"))
    session.run("pytest", *session.posargs)


@nox.session
def properties(session: nox.Session) -> None:
    """Generate 10,000 pipelines, run each in every way, and disturb 2,900; arguments after `--` go to pytest."""
    session.install("-e", ".", *group("test"))
    session.run("pytest", "tests/properties", *session.posargs, env={"HEADRACE_EXAMPLES": "10000"})


@nox.session
def kills(session: nox.Session) -> None:
    """Kill runs with checkpoints at 50 random moments in each form of a step; arguments after `--` go to pytest."""
    session.install("-e", ".", *group("test"))
    session.run("pytest", "tests/test_killed.py", *session.posargs, env={"HEADRACE_KILLS": "50"})


@nox.session
def browser(session: nox.Session) -> None:
    """Look at pages of runs in headless Chromium; arguments after `--` go to pytest."""
    session.install("-e", ".", *group("test"))
    session.run("pytest", "tests/browser", *session.posargs, env={"HEADRACE_BROWSER": "1"})


@nox.session
def corpus(session: nox.Session) -> None:
    """Refresh the snapshots of the corpus and print what changed."""
    session.install("-e", ".", *group("test"))
    session.run("pytest", "tests/test_corpus.py", "--snapshot-update", *session.posargs)
    session.run("git", "status", "--short", "--untracked-files=all", "--", SNAPSHOTS, external=True)
    session.run("git", "--no-pager", "diff", "--stat", "--patch", "--", SNAPSHOTS, external=True)


@nox.session(name="tests-ray")
def tests_ray(session: nox.Session) -> None:
    """Run the tests that start Ray: guarantees, bounds, kills, generated cases; arguments after `--` go to pytest."""
    session.install("-e", ".", *group("ray"))
    session.run("pytest", "tests/ray", "--ignore=tests/ray/test_corpus.py", *session.posargs)


@nox.session(name="corpus-ray")
def corpus_ray(session: nox.Session) -> None:
    """Compare the corpus on Ray with the snapshots of the other runners; arguments after `--` go to pytest."""
    session.install("-e", ".", *group("ray"))
    session.run("pytest", "tests/ray/test_corpus.py", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy and pyright, and that every name in the package says its type."""
    session.install("-e", ".", *group("types"))
    session.run("mypy", "--strict")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "headrace", "--ignoreexternal")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and the layers."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", env={"PYTHONPATH": "src"})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site in site/; a warning is an error."""
    session.install(".[otel,pictures,testing]", *group("docs"))
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--fresh-env", "-q", "docs", "site")


@nox.session(reuse_venv=False)
def dist(session: nox.Session) -> None:
    """Build the sdist, and the wheel from it; install that, and run its tests, or those that are named after `--`."""
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder)
    session.install(*group("dist"))
    session.run("python", "-m", "build", "--outdir", folder)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    session.install(str(wheel))
    session.run("python", "-m", "tarfile", "-e", sdist, folder)
    session.chdir(folder / sdist.name.removesuffix(".tar.gz"))
    session.run("pytest", *(session.posargs or ["tests", "--pyargs", "headrace"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed and memory beside hand-written code and peers; arguments after `--` go to benchmarks/run.py."""
    session.install(".[process,retry]", *group("bench"))
    session.run("python", "-m", "benchmarks.run", *session.posargs)


@nox.session
def watch(session: nox.Session) -> None:
    """Compare two commits on the quick cases, and say what became more than 5 % slower: `-- COMMIT [COMMIT]`."""
    session.install(".[process,retry]")
    session.run("python", "-m", "benchmarks.watch", *session.posargs)

"""Follows ``docs/tutorial.md`` and compares what is printed. ``python -m tests.support.tutorial WHEEL`` does it once.

The page keeps to these rules.

- A ``python`` block with ``title="path"`` is the whole of that file; with ``title="path, at the end"`` it is added. The
  text before it names the path, too, for those who see no titles.
- A ``console`` block is typed into one shell. ``$`` begins a command; where its line ends with a backslash, it goes on
  in the next. All other lines are what it prints, to either stream. A block with a title is typed into a shell of its
  own, and its last command goes on running.
- ``…`` alone on a line stands for any lines, within a line for any text.
- Of the forms in ``MASKS`` any value is as good as the one on the page. A project key that was printed takes the place
  of the page's from then on, as for readers.
- Port 8000 is a free one, ``django-jobsite`` the wheel of this tree, and pip is silent.
- A paragraph with an address of the site: whoever logs in as the page says finds it, with the words in bold on it.
- There is no other block.
"""

import difflib
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Final

from tests.support.environments import CLEAN, run
from tests.support.host_projects import ROOT, build_wheel
from tests.support.http_server import free_port
from tests.support.shells import Shell
from tests.support.staff_login import Staff

PAGE: Final = (ROOT / "docs" / "tutorial.md").read_text()
# No word of prose has 20 letters and a capital within; of a hundred keys three have no digit.
PROJECT_KEY: Final = re.compile(r"\b(?=\w*(?:\d|[a-z][A-Z]))[0-9A-Za-z]{20}\b")
MASKS: Final = {
    "<project key>": PROJECT_KEY,
    "<request id>": re.compile(r"\b[0-9a-f]{32}\b"),
    "<time>": re.compile(r"\b\d{13}\b"),
    "<duration>": re.compile(r"\b\d+\.\d{3}s\b"),
}
BLOCK: Final = re.compile(r'^```(\w*)(?: title="([^"]*)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
COMMAND: Final = re.compile(r"^\$ ((?:.*\\\n)*.*)\n?", re.MULTILINE)
LOGIN: Final = re.compile(r"log in as `(\w+)` with the password `(\w+)`")
ADDRESS: Final = re.compile(r"<http://127\.0\.0\.1:8000(/[^>]*)>")
AT_THE_END: Final = ", at the end"


@dataclass(frozen=True, kw_only=True)
class File:
    """A file to write, or lines to add to one."""

    path: str
    text: str
    is_added: bool


@dataclass(frozen=True, kw_only=True)
class Console:
    """Commands with what each prints; the last one is left running in a terminal of its own."""

    commands: list[tuple[str, str]]
    is_left_running: bool


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A page of the site, and the words on it."""

    path: str
    words: list[str]


Step = File | Console | Visit


def steps_of(page: str) -> list[Step]:
    found: list[Step] = []
    end = 0
    for block in BLOCK.finditer(page):
        found += _visits(page[end : block.start()])
        found.append(_step(page[end : block.start()], *block.groups(default="")))
        end = block.end()
    found += _visits(page[end:])
    assert page.count("```") == 2 * len(BLOCK.findall(page)), "a block of another form"
    return found


def _step(before: str, language: str, title: str, text: str) -> Step:
    if language == "python" and title:
        path = title.removesuffix(AT_THE_END)
        assert f"`{path}`" in before, f"where titles are not shown, nobody knows that this is {path}"
        return File(path=path, text=text, is_added=title.endswith(AT_THE_END))
    assert language == "console", f"a block that is neither a file nor a console: {text}"
    assert text.startswith("$ "), text
    parts = COMMAND.split(text)[1:]
    return Console(commands=list(zip(parts[::2], parts[1::2], strict=True)), is_left_running=bool(title))


def _visits(prose: str) -> Iterator[Visit]:
    for paragraph in prose.split("\n\n"):
        words = re.findall(r"\*\*(.*?)\*\*", paragraph)
        yield from (Visit(path=path, words=words) for path in ADDRESS.findall(paragraph))


def difference(expected: str, printed: str) -> str:
    """Return the difference between the page and what was printed; empty: there is none."""
    wanted, found = (_masked(text).rstrip("\n") + "\n" for text in (expected, printed))
    lines = [
        "(?:.*\n)*?" if line == "…\n" else ".*".join(map(re.escape, line.split("…")))
        for line in wanted.splitlines(keepends=True)
    ]
    if re.fullmatch("".join(lines), found):
        return ""
    return "".join(difflib.ndiff(wanted.splitlines(keepends=True), found.splitlines(keepends=True)))


def _masked(text: str) -> str:
    for name, form in MASKS.items():
        text = form.sub(name, text)
    return text


@dataclass(kw_only=True)
class Reader:
    folder: Path
    page: str
    wheel: Path
    port: int
    env: dict[str, str]
    shells: list[Shell] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)

    def read(self) -> None:
        """Follow the whole page, and fail where something differs from it."""
        self.shells.append(Shell(self.folder, self.env))
        for step in steps_of(self.page):
            match step:
                case File():
                    self._write(step)
                case Console(is_left_running=True):
                    self._leave_running(step)
                case Console():
                    for command, expected in step.commands:
                        self._type(self.shells[0], command, expected)
                case Visit():
                    self._visit(step)

    def versions(self) -> str:
        """Return which Python and Django the page's environment has: ``3.13-django6.0.1``."""
        question = "import sys, django; print('%d.%d-django%s' % (*sys.version_info[:2], django.__version__))"
        return run([str(self.folder / ".venv/bin/python"), "-c", question], cwd=self.folder, env=self.env).strip()

    def close(self) -> None:
        for shell in self.shells:
            shell.close()

    def _write(self, step: File) -> None:
        path = self.folder / step.path
        assert path.parent.is_dir(), step.path
        assert path.exists() or not step.is_added, step.path
        path.write_text(f"{path.read_text()}\n{step.text}" if step.is_added else step.text)

    def _type(self, shell: Shell, command: str, expected: str) -> None:
        printed = shell.run(self._own(command))
        self._compare(command, expected, printed)
        self.keys.update(zip(PROJECT_KEY.findall(expected), PROJECT_KEY.findall(printed), strict=False))

    def _leave_running(self, step: Console) -> None:
        shell = Shell(self.folder, self.env)
        self.shells.append(shell)
        *before, (command, expected) = step.commands
        for each in before:
            self._type(shell, *each)
        printed = shell.start(self._own(command), until=lambda printed: not difference(self._own(expected), printed))
        self._compare(command, expected, printed)

    def _compare(self, command: str, expected: str, printed: str) -> None:
        differs = difference(self._own(expected), printed)
        assert not differs, f"$ {command}\n{differs}"

    def _own(self, text: str) -> str:
        text = re.sub(r"\b8000\b", str(self.port), text).replace(
            "pip install django-jobsite", f"pip install {self.wheel}"
        )
        for key, own in self.keys.items():
            text = text.replace(key, own)
        return text

    def _visit(self, step: Visit) -> None:
        (login,) = LOGIN.findall(self.page)
        shown = unescape(Staff(f"http://127.0.0.1:{self.port}", *login).read(step.path))
        missing = [word for word in step.words if word.lower() not in shown.lower()]
        assert step.words and not missing, f"{step.path} does not show {missing}"  # noqa: PT018


def own_python() -> Path:
    """Return the interpreter that this environment was made with."""
    return Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


@contextmanager
def new_reader(directory: Path, *, python: Path, wheel: Path | None = None) -> Iterator[Reader]:
    """Yield a reader with an empty folder in ``directory``, whose ``python3`` is ``python``.

    ``wheel`` is what the reader installs (default: one that is built from this tree).
    """
    programs = directory / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(python)
    env = {**CLEAN, "PATH": f"{programs}:{CLEAN['PATH']}", "LC_ALL": "C.UTF-8"}
    # Not a terminal, but in its order; and no cache of a file that is written twice within a second.
    env |= {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "PIP_QUIET": "3"}
    folder = directory / "folder"
    folder.mkdir()
    reader = Reader(folder=folder, page=PAGE, wheel=wheel or build_wheel(directory), port=free_port(), env=env)
    try:
        yield reader
    finally:
        reader.close()


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as name,
        new_reader(Path(name), python=own_python(), wheel=Path(sys.argv[1]).resolve()) as reader,
    ):
        reader.read()

"""A small disk that can be filled and made read-only: a file with a filesystem, mounted for this process alone."""

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

MEGABYTE: Final = 1 << 20
CLONE_NEWNS: Final = 0x00020000
BALLAST: Final = "ballast"


class NoDisk(Exception):
    """No disk may be mounted here; the text says why."""


class SmallDisk:
    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        file = os.open(self.path / BALLAST, os.O_WRONLY | os.O_CREAT)
        try:
            for size in (MEGABYTE, 4096):
                with suppress(OSError):  # no space left: what we want
                    while True:
                        os.posix_fallocate(file, os.fstat(file).st_size, size)
        finally:
            os.close(file)

    def empty(self) -> None:
        (self.path / BALLAST).unlink(missing_ok=True)


def set_writable(*files: Path, writable: bool) -> None:
    """Refuse all writes to these files, or allow them again.

    A mode would bind neither root nor a process that has the file open, and a disk with a file
    open for writing cannot be mounted read-only.
    """
    _run("chattr", "-i" if writable else "+i", *map(str, files))


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """Mount a new disk in a namespace that only this process and its children see; it ends with them."""
    if os.geteuid() != 0:
        raise NoDisk("only root may mount a disk")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise NoDisk(f"no namespace of mounts: {os.strerror(ctypes.get_errno())}")
    with tempfile.TemporaryDirectory(prefix="jobs-disk-", dir="/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)  # a server that is not root must reach its data
        image, path = Path(name, "image"), Path(name, "disk")
        path.mkdir()
        with image.open("wb") as file:
            file.truncate(megabytes * MEGABYTE)
        _run("mount", "--make-rprivate", "/")
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        _run("mount", "-o", "loop", str(image), str(path))
        try:
            yield SmallDisk(path)
        finally:
            _run("umount", "--lazy", str(path))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NoDisk(f"there is no {command[0]} here") from error
    if done.returncode:
        raise NoDisk(f"{command[0]} failed: {done.stderr.strip()}")

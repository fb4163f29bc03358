"""Users' files on disk, and the map that erases them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.core.files.base import ContentFile
from django.utils import timezone

from jobs.erasure import erase, subject
from jobs.models import PendingFile
from tests.support.hostapp.models import Upload

USER: Final = subject("user", erase(Upload, by="owner", across_projects=True))


def upload(owner: str, *names: str, made: Any = Upload) -> Any:
    """Insert a row with a file under each name, in ``file`` and then in ``cover``."""
    row = made(owner=owner)
    for column, name in zip(("file", "cover"), names, strict=False):
        getattr(row, column).save(name, ContentFile(b"x"), save=False)
    row.save()
    return row


def on_disk(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def pending() -> list[str]:
    return sorted(PendingFile.objects.values_list("name", flat=True))


def let_try_again() -> None:
    """Make all pending files due."""
    PendingFile.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))


def fail(name: str) -> None:
    raise PermissionError(f"cannot remove {name}")


def fail_for(*names: str) -> Callable[[str], None]:
    return lambda name: fail(name) if name in names else None

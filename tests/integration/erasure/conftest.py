"""The directory of files of hosts, and their storage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.files.storage import FileSystemStorage

DELETE: Final = FileSystemStorage.delete


@pytest.fixture
def media(tmp_path: Path, settings: Any) -> Path:
    """Return the directory that the default storage writes to."""
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], object]], None]:
    """Return what lets the storage call a function with each name before it deletes the file."""

    def calls(before: Callable[[str], object]) -> None:
        def delete(self: FileSystemStorage, name: str) -> None:
            before(name)
            DELETE(self, name)

        monkeypatch.setattr(FileSystemStorage, "delete", delete)

    return calls

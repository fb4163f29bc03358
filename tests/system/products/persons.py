"""The two persons of a run. Each value of theirs is found in a table wherever it stands, in texts and JSON, too."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, kw_only=True)
class Person:
    """What a user is made of; ``pk`` is a number that nothing else counts up to."""

    pk: int
    first_name: str
    last_name: str

    @property
    def username(self) -> str:
        return f"{self.first_name}.{self.last_name}".lower()

    @property
    def email(self) -> str:
        return f"{self.username}@example.org"

    @property
    def ip_address(self) -> str:
        return f"203.0.113.{self.pk % 250}"

    @property
    def columns(self) -> dict[str, Any]:
        """What a user of Django's has."""
        return {
            "pk": self.pk,
            "username": self.username,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
        }

    @property
    def marks(self) -> tuple[str, ...]:
        """What tells that a value is of this person; compared in lower case."""
        return (str(self.pk), self.username, self.first_name.lower(), self.last_name.lower(), self.ip_address)


PERSON: Final = Person(pk=740001123, first_name="Quirina", last_name="Ostermoor")
OTHER: Final = Person(pk=740002247, first_name="Balduin", last_name="Wiesengrund")

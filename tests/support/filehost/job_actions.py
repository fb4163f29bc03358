"""The action that erases users' files."""

from datetime import timedelta

from tests.support.uploads import USER

erase_uploads = USER.erase_action(
    "erase_uploads", description="Erase the files of {reference_id}", deadline=timedelta(seconds=3)
)

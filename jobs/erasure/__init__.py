"""The erase map: what a host declares of a person's rows in every table, and what follows from it.

Hosts write ``from jobs.erasure import anonymise, erase, keep, step, subject`` in their ``job_actions``.
"""

from .declaration import anonymise, erase, keep, step
from .subjects import Subject, subject

__all__ = ["Subject", "anonymise", "erase", "keep", "step", "subject"]

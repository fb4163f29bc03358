"""The models; hosts may refer to them by foreign keys and read them, but not write them."""

from .api_key import SCOPES, ApiKey
from .block import JobBlock
from .event import JobEvent
from .job import BIGGEST_ID, BLOCK_BITS, GROUP_BITS, Job, JobQuerySet
from .pause import Pause, Paused
from .pending_file import PendingFile
from .project import AbstractProject, Organization, Project, make_project_key
from .statistic import Statistic
from .worker import Worker

__all__ = [
    "BIGGEST_ID",
    "BLOCK_BITS",
    "GROUP_BITS",
    "SCOPES",
    "AbstractProject",
    "ApiKey",
    "Job",
    "JobBlock",
    "JobEvent",
    "JobQuerySet",
    "Organization",
    "Pause",
    "Paused",
    "PendingFile",
    "Project",
    "Statistic",
    "Worker",
    "make_project_key",
]

"""Counts of jobs by project and block of ids: how a page far down a list is found without reading up to it."""

from typing import ClassVar

from django.db import models

from .. import conf


class JobBlock(models.Model):
    """How many jobs of a project have ids in a block; written by ``stats.block_counts`` once the block is full.

    Blocks above the highest in the table are not counted yet. Without a row, a project has no jobs in a block.
    """

    project = models.ForeignKey(conf.project_model_label(), on_delete=models.CASCADE, related_name="+", db_index=False)
    # id >> BLOCK_BITS.
    block = models.BigIntegerField()
    jobs = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            # Also serves the sums over a project.
            models.UniqueConstraint(fields=["project", "block"], name="jobs_block_once_in_project")
        ]
        # For the highest block, and for all rows of a block that is counted again.
        indexes: ClassVar = [models.Index(fields=["block"], name="jobs_block_by_block")]

    def __str__(self) -> str:
        return f"block {self.block} of project {self.project_id}"

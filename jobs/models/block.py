"""How many jobs a project has in each block of ids, so that a page far down a list needs no walk to it."""

from typing import ClassVar

from django.db import models

from .. import conf


class JobBlock(models.Model):
    """So many jobs of a project have an id of this block; ``block_counts`` counts one once no more are added to it.

    Blocks above the highest of the table are not counted yet. A project has no row of a block without jobs of its own.
    """

    project = models.ForeignKey(conf.project_model_label(), on_delete=models.CASCADE, related_name="+", db_index=False)
    # The ids of BLOCK_BITS bits that follow these: id >> BLOCK_BITS.
    block = models.BigIntegerField()
    jobs = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            # Also serves the sums over a project.
            models.UniqueConstraint(fields=["project", "block"], name="jobs_block_once_in_project")
        ]
        # The highest that is counted; the projects of one that is counted again.
        indexes: ClassVar = [models.Index(fields=["block"], name="jobs_block_by_block")]

    def __str__(self) -> str:
        return f"block {self.block} of project {self.project_id}"

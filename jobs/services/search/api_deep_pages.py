"""The ids of a page far down the API's list of a whole project, found by the counts of blocks of ids.

One statement, so that counts and jobs are those of one instant: it sums the blocks from the end
where the list begins, and scans the one in which the page begins. The newest blocks, which are not
counted yet, are scanned whole. The page is the one that OFFSET would give.
"""

# ruff: noqa: S608 – the text is made of constants; whatever callers send is a parameter

import re
from functools import cache
from typing import Any, Final

from ...models import BIGGEST_ID, BLOCK_BITS, JobBlock
from .planner import JOBS, Limits, Sql

DEEP_OFFSET: Final = 2 << BLOCK_BITS
"""From this offset on the counts are faster than a scan."""
BLOCKS: Final = JobBlock._meta.db_table
# The first id that is in no counted block.
MARK: Final = f"(SELECT coalesce(max(block) + 1, 0) << {BLOCK_BITS} FROM {BLOCKS})"

# A part of the list begins at an id, and has so many jobs. The newest part has no count: as the first part it is
# counted as far as the page is away; as the last one it has more than any page needs.
NEWEST_FIRST: Final = f"""
    SELECT %(biggest)s::bigint, (
        SELECT count(*) FROM (
            SELECT FROM {JOBS} WHERE project_id <= %(project)s AND (project_id, id) >= (%(project)s, {MARK})
            ORDER BY project_id, id LIMIT %(offset)s::bigint + 1
        ) job
    )
    UNION ALL SELECT (block + 1) << {BLOCK_BITS}, jobs FROM {BLOCKS} WHERE project_id = %(project)s
"""
OLDEST_FIRST: Final = f"""
    SELECT block << {BLOCK_BITS}, jobs FROM {BLOCKS} WHERE project_id = %(project)s
    UNION ALL SELECT {MARK}, %(offset)s::bigint + 1
"""
# A comparison of rows finds where to begin in the one index that has this order.
PAGE: Final = """
    WITH part (begins, jobs) AS ({parts}),
    place (begins, skipped) AS (
        SELECT begins, %(offset)s::bigint - (upto - jobs)
        FROM (SELECT *, sum(jobs) OVER (ORDER BY begins {direction}) AS upto FROM part) counted
        WHERE upto > %(offset)s::bigint ORDER BY begins {direction} LIMIT 1
    )
    SELECT id FROM {jobs}
    WHERE project_id {nearer}= %(project)s
        AND (project_id, id) {further} (%(project)s, coalesce((SELECT begins FROM place), 0))
    ORDER BY project_id {direction}, id {direction} LIMIT %(limit)s OFFSET coalesce((SELECT skipped FROM place), 0)
"""
NAME: Final = re.compile(r"%\((\w+)\)s")


def deep_page(project: Any, limits: Limits, *, descending: bool) -> Sql:
    """Return the query of a page's ids; ``project`` is the primary key as the driver takes it."""
    text, names = _statement(descending=descending)
    values = {"project": project, "limit": limits.limit, "offset": limits.offset, "biggest": BIGGEST_ID}
    return Sql(text, tuple(values[name] for name in names))


@cache
def _statement(*, descending: bool) -> tuple[str, list[str]]:
    """Return the text with ``%s`` for each value, as a part of another statement needs it, and the values' names."""
    parts, direction, nearer, further = (
        (NEWEST_FIRST, "DESC", ">", "<") if descending else (OLDEST_FIRST, "ASC", "<", ">=")
    )
    text = PAGE.format(parts=parts, jobs=JOBS, direction=direction, nearer=nearer, further=further)
    return NAME.sub("%s", text), NAME.findall(text)

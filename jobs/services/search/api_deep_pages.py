"""The ids of a page far down the API's list of a whole project, found by the counts of blocks of ids.

One statement, so that counts and jobs are those of one instant: it sums the blocks from the end
where the list begins, and scans the one in which the page begins. The newest blocks, which are not
counted yet, are scanned whole. The page is the one that OFFSET would give.
"""

# ruff: noqa: S608 – the text is made of constants; whatever callers send is a parameter

import re
from functools import cache
from typing import Any, Final

from ...models import BIGGEST_ID, BLOCK_BITS, Job, JobBlock

DEEP_OFFSET: Final = 2 << BLOCK_BITS
"""From this offset on the counts are faster than a scan."""
JOBS: Final = Job._meta.db_table
BLOCKS: Final = JobBlock._meta.db_table

# How many jobs to skip; the first id that is in no counted block.
OFFSET_AND_MARK: Final = f"""
    skip (before) AS (SELECT %(offset)s::bigint),
    mark (id) AS (SELECT coalesce(max(block) + 1, 0) << {BLOCK_BITS} FROM {BLOCKS})
"""
# A comparison of rows finds where to begin in the one index that has this order (see ``api_sql``).
NEWEST_FIRST: Final = f"""
    WITH {OFFSET_AND_MARK},
    recent (jobs) AS (
        SELECT count(*) FROM (
            SELECT FROM {JOBS}
            WHERE project_id <= %(project)s AND (project_id, id) >= (%(project)s, (SELECT id FROM mark))
            ORDER BY project_id, id LIMIT (SELECT before + 1 FROM skip)
        ) job
    ),
    counted AS (
        SELECT block, jobs, sum(jobs) OVER (ORDER BY block DESC) AS upto FROM {BLOCKS} WHERE project_id = %(project)s
    ),
    place (id, skipped) AS (
        SELECT %(biggest)s::bigint, before FROM recent, skip WHERE recent.jobs > before
        UNION ALL (
            SELECT (block + 1) << {BLOCK_BITS}, before - recent.jobs - (upto - counted.jobs)
            FROM counted, recent, skip WHERE recent.jobs <= before AND upto > before - recent.jobs
            ORDER BY block DESC LIMIT 1
        )
    )
    SELECT id FROM {JOBS}
    WHERE project_id >= %(project)s AND (project_id, id) < (%(project)s, coalesce((SELECT id FROM place), 0))
    ORDER BY project_id DESC, id DESC LIMIT %(limit)s OFFSET coalesce((SELECT skipped FROM place), 0)
"""
OLDEST_FIRST: Final = f"""
    WITH {OFFSET_AND_MARK},
    counted AS (
        SELECT block, jobs, sum(jobs) OVER (ORDER BY block) AS upto FROM {BLOCKS} WHERE project_id = %(project)s
    ),
    place (id, skipped) AS (
        (
            SELECT block << {BLOCK_BITS}, before - (upto - jobs) FROM counted, skip WHERE upto > before
            ORDER BY block LIMIT 1
        )
        UNION ALL SELECT id, before - coalesce((SELECT max(upto) FROM counted), 0) FROM mark, skip
    )
    SELECT id FROM {JOBS}
    WHERE project_id <= %(project)s AND (project_id, id) >= (%(project)s, (SELECT min(id) FROM place))
    ORDER BY project_id, id LIMIT %(limit)s OFFSET (SELECT skipped FROM place ORDER BY id LIMIT 1)
"""
NAME: Final = re.compile(r"%\((\w+)\)s")


def deep_page_ids(project: Any, *, descending: bool, limit: int, offset: int) -> tuple[str, tuple[Any, ...]]:
    """Return the SQL of a page's ids and its parameters; ``project`` is the primary key as the driver takes it."""
    text, names = _positional(NEWEST_FIRST if descending else OLDEST_FIRST)
    named = {"project": project, "limit": limit, "offset": offset, "biggest": BIGGEST_ID}
    return text, tuple(named[name] for name in names)


@cache
def _positional(text: str) -> tuple[str, list[str]]:
    """Replace each named parameter by ``%s``, as a part of a statement of the ORM needs it."""
    return NAME.sub("%s", text), NAME.findall(text)

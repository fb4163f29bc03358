"""The ids of a page far down the list of a whole project, found by the counts of blocks instead of a walk to it.

One statement, so that the counts and the jobs are those of one instant: sum the blocks
from the end where the list begins, and walk into the one in which the page does. What is
not counted yet, the newest blocks, is walked through. The page is the same as OFFSET's.
"""

# ruff: noqa: S608 – the text is made of constants; whatever callers send is a parameter

import re
from functools import cache
from typing import Any, Final

from ...models import BIGGEST_ID, BLOCK_BITS, Job, JobBlock

FAR: Final = 2 << BLOCK_BITS
"""From here on the counts are faster than the walk."""
JOBS: Final = Job._meta.db_table
BLOCKS: Final = JobBlock._meta.db_table

# How many jobs to pass over; the first id that is in no counted block.
ASKED: Final = f"""
    asked (before) AS (SELECT %(offset)s::bigint),
    mark (id) AS (SELECT coalesce(max(block) + 1, 0) << {BLOCK_BITS} FROM {BLOCKS})
"""
# A comparison of rows finds where to begin in the index, which alone has this order (see ``walks``).
NEWEST_FIRST: Final = f"""
    WITH {ASKED},
    recent (jobs) AS (
        SELECT count(*) FROM (
            SELECT FROM {JOBS}
            WHERE project_id <= %(project)s AND (project_id, id) >= (%(project)s, (SELECT id FROM mark))
            ORDER BY project_id, id LIMIT (SELECT before + 1 FROM asked)
        ) job
    ),
    counted AS (
        SELECT block, jobs, sum(jobs) OVER (ORDER BY block DESC) AS upto FROM {BLOCKS} WHERE project_id = %(project)s
    ),
    place (id, skipped) AS (
        SELECT %(biggest)s::bigint, before FROM recent, asked WHERE recent.jobs > before
        UNION ALL (
            SELECT (block + 1) << {BLOCK_BITS}, before - recent.jobs - (upto - counted.jobs)
            FROM counted, recent, asked WHERE recent.jobs <= before AND upto > before - recent.jobs
            ORDER BY block DESC LIMIT 1
        )
    )
    SELECT id FROM {JOBS}
    WHERE project_id >= %(project)s AND (project_id, id) < (%(project)s, coalesce((SELECT id FROM place), 0))
    ORDER BY project_id DESC, id DESC LIMIT %(limit)s OFFSET coalesce((SELECT skipped FROM place), 0)
"""
OLDEST_FIRST: Final = f"""
    WITH {ASKED},
    counted AS (
        SELECT block, jobs, sum(jobs) OVER (ORDER BY block) AS upto FROM {BLOCKS} WHERE project_id = %(project)s
    ),
    place (id, skipped) AS (
        (
            SELECT block << {BLOCK_BITS}, before - (upto - jobs) FROM counted, asked WHERE upto > before
            ORDER BY block LIMIT 1
        )
        UNION ALL SELECT id, before - coalesce((SELECT max(upto) FROM counted), 0) FROM mark, asked
    )
    SELECT id FROM {JOBS}
    WHERE project_id <= %(project)s AND (project_id, id) >= (%(project)s, (SELECT min(id) FROM place))
    ORDER BY project_id, id LIMIT %(limit)s OFFSET (SELECT skipped FROM place ORDER BY id LIMIT 1)
"""
NAME: Final = re.compile(r"%\((\w+)\)s")


def deep_ids(project: Any, *, descending: bool, limit: int, offset: int) -> tuple[str, tuple[Any, ...]]:
    """Return the SQL of the ids of a page and its parameters; ``project`` is the key as the driver takes it."""
    text, names = _positional(NEWEST_FIRST if descending else OLDEST_FIRST)
    named = {"project": project, "limit": limit, "offset": offset, "biggest": BIGGEST_ID}
    return text, tuple(named[name] for name in names)


@cache
def _positional(text: str) -> tuple[str, list[str]]:
    """Put ``%s`` for each named parameter, as a part of the ORM's statement must have it."""
    return NAME.sub("%s", text), NAME.findall(text)

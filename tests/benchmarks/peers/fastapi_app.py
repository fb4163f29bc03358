"""The peer in FastAPI, in the shape of a known service of this kind.

The key's check blocks the event loop, the project is looked up after it, rows become dicts whose names and instants are
converted one by one, and each answer is decoded, walked and encoded again. Only limit and page were added.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from tests.benchmarks.peers.contract import BIGGEST_PAGE, digest_of

CONNECTIONS: Final = 8
INSTANTS: Final = ("created_at", "updated_at", "start_at")

pool: "ConnectionPool[Any]" = ConnectionPool(
    os.environ["DATABASE_URL"],
    min_size=CONNECTIONS,
    max_size=CONNECTIONS,
    open=False,
    kwargs={"row_factory": dict_row},
)


@asynccontextmanager
async def open_pool(_: FastAPI) -> AsyncIterator[None]:
    with pool:
        yield


class EncodedAgain(APIRoute):
    """Decodes each answer, walks it, and encodes it again."""

    def get_route_handler(self) -> Callable[..., Any]:
        inner = super().get_route_handler()

        async def handler(request: Request) -> Any:
            response = await inner(request)
            return JSONResponse(walked(json.loads(response.body)), status_code=response.status_code)

        return handler


def walked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: walked(member) for name, member in value.items()}
    return [walked(member) for member in value] if isinstance(value, list) else value


def camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def job_of(row: dict[str, Any]) -> dict[str, Any]:
    for name in INSTANTS:
        row[name] = None if row[name] is None else int(row[name].timestamp() * 1000)
    return {camel_case(name): value for name, value in row.items()}


async def organization_of(request: Request) -> int:
    with pool.connection() as connection:
        found = connection.execute(
            "SELECT organization_id FROM api_key WHERE digest = %s", [digest_of(request.headers["authorization"])]
        ).fetchone()
    if found is None:
        raise HTTPException(401, "no such key")
    return int(found["organization_id"])


async def project_of(project_key: str, organization: Annotated[int, Depends(organization_of)]) -> int:
    with pool.connection() as connection:
        found = connection.execute(
            "SELECT * FROM project WHERE key = %s AND organization_id = %s", [project_key, organization]
        ).fetchone()
    if found is None:
        raise HTTPException(404, "no such project")
    return int(found["id"])


Project = Annotated[int, Depends(project_of)]
app = FastAPI(lifespan=open_pool)
app.router.route_class = EncodedAgain


@app.get("/public/{project_key}/jobs")
def list_jobs(
    project: Project,
    limit: Annotated[int, Query(ge=1, le=BIGGEST_PAGE)] = 50,
    page: Annotated[int, Query(ge=1)] = 1,
) -> dict[str, Any]:
    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT * FROM job WHERE project_id = %s ORDER BY job_id LIMIT %s OFFSET %s",
            [project, limit, (page - 1) * limit],
        ).fetchall()
    return {"data": [job_of(row) for row in rows]}


@app.get("/public/{project_key}/jobs/{job_id}")
def get_job(job_id: int, project: Project) -> dict[str, Any]:
    return {"data": job_of(find(project, job_id))}


@app.delete("/public/{project_key}/jobs/{job_id}")
def cancel_job(job_id: int, project: Project) -> dict[str, Any]:
    if find(project, job_id)["status"] not in ("scheduled", "running"):
        raise HTTPException(400, "the job has ended")
    with pool.connection() as connection:
        row = connection.execute(
            "UPDATE job SET status = 'cancelled', updated_at = now() WHERE job_id = %s RETURNING *", [job_id]
        ).fetchone()
    return {"data": job_of(row or {})}


def find(project: int, job_id: int) -> dict[str, Any]:
    with pool.connection() as connection:
        row = connection.execute(
            "SELECT * FROM job WHERE project_id = %s AND job_id = %s", [project, job_id]
        ).fetchone()
    if row is None:
        raise HTTPException(404, "no such job")
    return row

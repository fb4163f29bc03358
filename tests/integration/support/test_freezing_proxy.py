"""The proxy that tests put before a database: frozen connections stay open, and what was sent arrives at the thaw."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.concurrency import InThread, postgresql_only, until
from tests.support.freezing_proxy import FreezingProxy, freezing_proxy
from tests.support.http_server import database_url

pytestmark = [postgresql_only, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def proxy() -> Iterator[FreezingProxy]:
    with freezing_proxy(database_url()) as proxy:
        yield proxy


def connect(url: str) -> "psycopg.Connection[tuple[int]]":
    return psycopg.connect(url, autocommit=True)


def test_a_frozen_connection_answers_nothing_until_the_thaw(proxy: FreezingProxy) -> None:
    with connect(proxy.url) as through:
        assert proxy.freeze() == 1
        query = InThread(lambda: through.execute("SELECT 7").fetchone())
        new = InThread(lambda: connect(proxy.url).close())
        with pytest.raises(AssertionError, match="did not end"):
            query.result(patience=0.2)
        proxy.thaw()

        assert query.result() == (7,)
        new.result()


def test_frozen_connections_are_dropped_without_what_was_sent(proxy: FreezingProxy) -> None:
    with connect(database_url()) as direct, connect(proxy.url) as through:
        direct.execute("CREATE TABLE sent (n int)")
        proxy.freeze(new=False)
        insert = InThread(lambda: through.execute("INSERT INTO sent VALUES (1)"))
        with connect(proxy.url) as other:
            assert other.execute("SELECT 7").fetchone() == (7,)
        with pytest.raises(AssertionError, match="did not end"):
            insert.result(patience=0.2)

        assert proxy.drop_frozen() == 1
        with pytest.raises(psycopg.OperationalError):
            insert.result()
        rows = direct.execute("SELECT count(*) FROM sent").fetchone()
        direct.execute("DROP TABLE sent")

    assert rows == (0,)


def test_a_client_that_gives_a_frozen_connection_up_has_its_statement_run_at_the_thaw(proxy: FreezingProxy) -> None:
    with connect(database_url()) as direct:
        direct.execute("CREATE TABLE late (n int)")
        through = connect(proxy.url)
        proxy.freeze()
        through.pgconn.send_query(b"INSERT INTO late VALUES (1)")
        through.close()
        assert direct.execute("SELECT count(*) FROM late").fetchone() == (0,)

        proxy.thaw()
        until(lambda: direct.execute("SELECT count(*) FROM late").fetchone() == (1,), what="the late INSERT")
        direct.execute("DROP TABLE late")


@pytest.mark.parametrize("part", ["query", "answer"])
def test_a_connection_is_cut_in_the_middle_of_a_message(proxy: FreezingProxy, part: str) -> None:
    with connect(proxy.url) as through:
        proxy.cut(part)

        with pytest.raises(psycopg.OperationalError):
            through.execute("SELECT 7")


def test_a_mute_proxy_accepts_connections_and_says_nothing(proxy: FreezingProxy) -> None:
    with connect(proxy.url) as through:
        proxy.mute()

        with pytest.raises(psycopg.errors.ConnectionTimeout):
            psycopg.connect(proxy.url, connect_timeout=2)
        assert through.execute("SELECT 7").fetchone() == (7,)

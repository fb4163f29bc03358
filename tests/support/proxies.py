"""The proxies of production.md: their configuration as it stands there, and each as a process."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.http_server import wait_until_it_answers
from tests.support.source import ROOT


def block(kind: str, start: str = "") -> str:
    """Return the block of this language in the page that has ``start``."""
    blocks = re.findall(
        rf"^```{kind}\n(.*?)^```", (ROOT / "docs" / "how-to" / "production.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (found,) = [text for text in blocks if start in text]
    return str(found)


def nginx(directory: Path, site: int, port: int) -> list[str]:
    text = (
        block("nginx", "proxy_pass").replace("listen 443 ssl", f"listen 127.0.0.1:{port}").replace(":8000", f":{site}")
    )
    text = re.sub(r"access_log .*? route", f"access_log {directory}/access.log route", text)
    config = directory / "nginx.conf"
    config.write_text(
        f"daemon off; pid {directory}/pid; error_log {directory}/error.log crit; user root;\n"
        f"events {{ worker_connections 256; }}\nhttp {{ client_body_temp_path {directory}/body;\n{text} }}\n"
    )
    return ["nginx", "-c", str(config)]


def haproxy(directory: Path, site: int, port: int) -> list[str]:
    text = block("haproxy").replace(":8443", f":{port}").replace(":8000", f":{site}")
    config = directory / "haproxy.cfg"
    config.write_text(text)
    return ["haproxy", "-db", "-f", str(config)]


def caddy(directory: Path, site: int, port: int) -> list[str]:
    text = block("caddyfile").replace(":8000", f":{site}").replace("jobs.example.com", f"http://127.0.0.1:{port}")
    if subprocess.check_output(["caddy", "version"], text=True).startswith(("2.5", "2.6")):
        text = text.replace("request_buffers 2MiB", "buffer_requests")
    config = directory / "Caddyfile"
    config.write_text(text.replace("{\n    servers", "{\n    admin off\n    servers", 1))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        wait_until_it_answers(port, process)
        yield
    finally:
        process.terminate()
        process.wait(20)

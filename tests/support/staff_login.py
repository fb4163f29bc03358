"""A member of staff who reads pages of the admin without a browser."""

import re
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener


class Staff:
    def __init__(self, address: str, name: str, password: str) -> None:
        self._address = address
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', self.read("/admin/login/"))
        form = {"csrfmiddlewaretoken": token, "username": name, "password": password, "next": "/admin/"}
        shown = self.read("/admin/login/", urlencode(form).encode())
        assert 'name="password"' not in shown, "the login was refused"

    def read(self, path: str, form: bytes | None = None) -> str:
        with self._opener.open(f"{self._address}{path}", data=form, timeout=60) as answer:
            return str(answer.read().decode())

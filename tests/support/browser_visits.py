"""A superuser in a real browser, and what is measured there."""

from dataclasses import dataclass
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth import get_user_model
from playwright.sync_api import Browser, BrowserContext, Page

PASSWORD: Final = "a password for this test"
STAFF: Final = "staff"
OURS: Final = "[class*='jobs-']:not(body)"
SERIOUS: Final = ("serious", "critical")
# More than any page has.
MOST_TABS: Final = 200


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A browser in which a superuser has logged in; ``complaints`` are console messages and outside requests."""

    context: BrowserContext
    page: Page
    address: str
    complaints: list[str]

    def open(self, path: str) -> None:
        answer = self.page.goto(f"{self.address}{path}")
        assert answer is not None
        assert answer.status == 200, (path, answer.status)

    def press(self, selector: str) -> None:
        """Click on a link or button that opens another page."""
        with self.page.expect_navigation():
            self.page.click(selector)

    def tab_to(self, selector: str) -> None:
        """Press Tab until the first element that matches has the focus."""
        meant = self.page.locator(selector).first
        meant.wait_for()
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            if meant.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"no key leads to {selector}")

    def enter(self) -> None:
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")


def complaints_of(page: Page, address: str) -> list[str]:
    """Return a list that grows by each message of the console, each dialog and each request to somebody else."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: error: {error}"))
    page.on("dialog", lambda dialog: (complaints.append(f"{page.url}: dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith(address) or complaints.append(f"asked {request.url}"))
    return complaints


def visit(browser: Browser, address: str, **how: Any) -> Visit:
    """Log in as a superuser; every message of the console and every outside request is a complaint."""
    users = get_user_model()
    if not users.objects.filter(username=STAFF).exists():
        users.objects.create_superuser(STAFF, password=PASSWORD)
    context = browser.new_context(**how)
    page = context.new_page()
    visitor = Visit(context=context, page=page, address=address, complaints=complaints_of(page, address))
    visitor.open("/admin/login/?next=/admin/")  # a theme's form has no such field of its own
    page.fill("input[name=username]", STAFF)
    page.fill("input[name=password]", PASSWORD)
    visitor.enter()
    assert "/login/" not in page.url
    return visitor


def violations(page: Page) -> list[str]:
    """Unfold everything on the page; return what axe calls serious or critical."""
    page.evaluate("document.querySelectorAll('#content details').forEach(each => each.open = true)")
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


def too_wide(page: Page) -> str:
    """Return the width of a page that is wider than its window, and the elements that stick out; "" if it fits."""
    return page.evaluate("""() => {
        const width = document.documentElement.clientWidth, whole = document.documentElement.scrollWidth;
        if (whole <= width) return "";
        const out = [...document.querySelectorAll("#content *")]
            .filter(each => each.getBoundingClientRect().right > width + 1 && !each.closest(".jobs-scroll, .results"));
        return `${whole}: ${out.slice(0, 3).map(each => each.outerHTML.slice(0, 120)).join(" | ")}`;
    }""")


def unreachable_regions(page: Page) -> list[str]:
    """Return the elements that scroll sideways and cannot be reached by keyboard."""
    return page.evaluate("""() => [...document.querySelectorAll("#content *")]
        .filter(each => each.scrollWidth > each.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(each).overflowX))
        .filter(each => each.tabIndex < 0 && !each.querySelector("a[href], button, input, select, summary"))
        .map(each => each.outerHTML.slice(0, 120))""")


def invisible_inputs(page: Page) -> list[str]:
    """Return the inputs and buttons that nothing sets off from what is around them: no border, no background."""
    return page.evaluate("""() => {
        const inputs = "input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea, button.button";
        const clear = /^(rgba\\(.*, 0\\)|transparent)$/;
        function isSetOff(element) {
            const style = getComputedStyle(element);
            if (parseFloat(style.borderTopWidth) && !clear.test(style.borderTopColor)) return true;
            return !clear.test(style.backgroundColor) && style.backgroundColor !== around(element);
        }
        function around(element) {
            for (let each = element.parentElement; each; each = each.parentElement) {
                const colour = getComputedStyle(each).backgroundColor;
                if (!clear.test(colour)) return colour;
            }
            return "rgb(255, 255, 255)";
        }
        return [...document.querySelectorAll(":is(main, #content) :is(" + inputs + ")")]
            .filter(each => each.checkVisibility() && each.offsetWidth > 4 && !each.closest(".select2"))
            // A theme may draw one frame around an input and its button.
            .filter(each => ![each, each.parentElement, each.parentElement.parentElement].some(isSetOff))
            .map(each => "invisible " + each.outerHTML.slice(0, 160));
    }""")


# The text and the background of Jazzmin's links, on all its pages: Bootstrap's colours, with a contrast of 4.26.
LINK_OF_JAZZMIN: Final = ("#0d6efd", "#f8f9fa")


def unreadable_texts(page: Page) -> list[str]:
    """Return the texts of ours that differ too little from their background (WCAG 2.1, 1.4.3)."""
    if not page.locator(OURS).count():
        return []
    only = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    found = Axe().run(page, context=[[OURS]], options=only).response["violations"]
    nodes = [node for violation in found for node in violation["nodes"] if colours_of(node) != LINK_OF_JAZZMIN]
    return [f"unreadable {colours_of(node)} {node['html'][:160]}" for node in nodes]


def colours_of(node: dict[str, Any]) -> tuple[str, str]:
    """Return the colours of text and background that a check of contrast found."""
    data = node["any"][0]["data"]
    return data["fgColor"], data["bgColor"]

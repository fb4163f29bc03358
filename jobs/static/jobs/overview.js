// Refreshes the overview, if the user has switched that on. Without this file the page works, but is not refreshed.
"use strict";
{
  const toggle = document.getElementById("jobs-overview-toggle");
  const stamp = document.getElementById("jobs-overview-stamp");
  const live = document.getElementById("jobs-overview-live");
  const FOCUSABLE = "a[href], summary, [tabindex]";

  // Keeps what the user did to the old content: opened tables, scrolled regions, the focus.
  const swap = (fresh) => {
    const before = {
      focusables: [...live.querySelectorAll(FOCUSABLE)],
      regions: [...live.querySelectorAll(".jobs-scroll")],
    };
    const at = before.focusables.indexOf(document.activeElement);
    const label = at < 0 ? "" : nameOf(document.activeElement);
    for (const details of live.querySelectorAll("details[id][open]")) {
      fresh.querySelector(`#${details.id}`)?.setAttribute("open", "");
    }
    const scrolled = new Map(before.regions.map((region) => [nameOf(region), region.scrollLeft]));
    live.replaceChildren(...fresh.childNodes);
    for (const region of live.querySelectorAll(".jobs-scroll")) {
      region.scrollLeft = scrolled.get(nameOf(region)) ?? 0;
    }
    if (at >= 0) {
      const after = [...live.querySelectorAll(FOCUSABLE)];
      const same = after.find((element) => nameOf(element) === label) ?? after[Math.min(at, after.length - 1)];
      same?.focus({ preventScroll: true });
    }
  };

  // The same link may occur several times: its section is a part of its name.
  const nameOf = (element) => {
    const part = element.closest("[aria-labelledby]")?.getAttribute("aria-labelledby");
    return [part, element.tagName, element.getAttribute("href"), element.getAttribute("aria-labelledby")].join(" ");
  };

  const isBeingRead = () => {
    const selection = document.getSelection();
    return selection !== null && !selection.isCollapsed && live.contains(selection.anchorNode);
  };

  let timer;
  const refresh = async () => {
    if (document.hidden || isBeingRead()) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("jobs-overview-live");
      if (answer.redirected || answer.status === 403) {
        stamp.textContent = stamp.dataset.ended;
        clearInterval(timer);
      } else if (answer.ok && fresh) {
        swap(fresh);
        stamp.replaceChildren(...page.getElementById("jobs-overview-stamp").childNodes);
      } else {
        stamp.textContent = stamp.dataset.failed;
      }
    } catch {
      stamp.textContent = stamp.dataset.failed;
    }
  };

  const start = (seconds) => {
    let refreshed = Date.now();
    const tick = () => {
      if (document.hidden || Date.now() - refreshed < seconds * 1000) return;
      refreshed = Date.now();
      refresh();
    };
    // A hidden page is not refreshed; once visible again, it is refreshed at once if that is due.
    document.addEventListener("visibilitychange", tick);
    timer = setInterval(tick, 1000);
  };

  if (toggle && stamp && live) {
    toggle.hidden = false;
    if (toggle.dataset.seconds) start(Number(toggle.dataset.seconds));
  }
}

// Renews every element with data-poll="address" each data-every seconds, while it is looked at.
// An answer with "X-Poll: stop" is the last one. What can't be renewed is marked as stale.
"use strict";

(() => {
  const patience = 8000;

  function keepFocus(element, replace) {
    const active = document.activeElement;
    const path = element.contains(active) && active.href ? active.getAttribute("href") : null;
    replace();
    if (path) {
      [...element.querySelectorAll("a")].find((a) => a.getAttribute("href") === path)?.focus();
    }
  }

  async function renew(element) {
    const answer = await fetch(element.dataset.poll, {
      credentials: "same-origin",
      redirect: "error", // a login page must never be shown within another page
      signal: AbortSignal.timeout(patience),
    });
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (element.dataset.last !== text) {
      keepFocus(element, () => {
        element.innerHTML = text; // rendered and escaped by the panel itself
      });
      element.dataset.last = text;
    }
    return answer.headers.get("X-Poll") !== "stop";
  }

  function start(element) {
    const every = 1000 * Number(element.dataset.every || 3);
    let failures = 0;
    async function turn() {
      let more = true;
      const chosen = document.getSelection();
      const reading = chosen && !chosen.isCollapsed && element.contains(chosen.anchorNode);
      if (!document.hidden && !reading) {
        try {
          more = await renew(element);
          failures = 0;
        } catch {
          failures += 1;
        }
        element.classList.toggle("stale", failures > 1);
      }
      if (more) setTimeout(turn, every * Math.min(8, 2 ** failures));
    }
    setTimeout(turn, every);
  }

  document.querySelectorAll("[data-poll]").forEach(start);
})();

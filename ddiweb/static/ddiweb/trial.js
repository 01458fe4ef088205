// Counts a trial's seconds down, also while the panel can't be reached, and takes the page anew
// when the deployment came to a trial or out of it. Without this the page says how long it had.
"use strict";

(() => {
  const began = performance.now();
  const counter = document.querySelector("[data-seconds]");
  if (counter) {
    const seconds = Number(counter.dataset.seconds);
    const ticking = setInterval(() => {
      const left = Math.max(0, Math.ceil(seconds - (performance.now() - began) / 1000));
      counter.textContent = String(left);
      if (left === 0) clearInterval(ticking);
    }, 250);
  }

  const shown = document.querySelector("[data-trial]")?.dataset.trial ?? "";
  const fragment = document.querySelector("[data-poll]");
  if (!fragment) return;
  const matters = (state) => state === "confirming" || state === "rolled_back";
  new MutationObserver(() => {
    const state = fragment.querySelector("[data-state]")?.dataset.state;
    if (state && state !== shown && (matters(state) || matters(shown))) location.reload();
  }).observe(fragment, { childList: true });
})();

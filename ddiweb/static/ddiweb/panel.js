// Small conveniences. Every page works without them.
"use strict";

(() => {
  // Ordered choices: the browser sends boxes in the order in which they stand.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (!button) return;
    const item = button.closest("li");
    const up = button.dataset.move === "-1";
    const other = up ? item.previousElementSibling : item.nextElementSibling;
    if (other) item.parentElement.insertBefore(up ? item : other, up ? other : item);
    button.focus();
  });

  // Long lists of boxes can be filtered.
  document.addEventListener("input", (event) => {
    if (!event.target.matches(".box-filter")) return;
    const wanted = event.target.value.toLowerCase();
    for (const item of event.target.parentElement.querySelectorAll("li")) {
      const ticked = item.querySelector("input")?.checked;
      item.hidden = !ticked && !item.textContent.toLowerCase().includes(wanted);
    }
  });

  // A copy button beside everything that has to be typed into a phone.
  for (const code of document.querySelectorAll("[data-copy]")) {
    if (!code.textContent) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${code.previousElementSibling?.textContent ?? ""}`);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        document.getSelection().selectAllChildren(code);
        button.textContent = "Press Ctrl-C";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    code.after(button);
  }

  // A step shows only what its kind needs; a trunk what it needs to register.
  function fit(row) {
    const kind = row.querySelector("select[name$='-kind']")?.value;
    if (!kind) return;
    const show = (name, yes) => {
      const input = row.querySelector(`[name$='-${name}'], ul[id$='-${name}']`);
      const several = input?.closest(".form-multiline > div");
      (several ?? input?.closest(".form-row"))?.classList.toggle("unneeded", !yes);
    };
    for (const [name, kinds] of Object.entries(NEEDED)) show(name, kinds.includes(kind));
    const inTurn = row.querySelector("input[name$='-in_turn']")?.checked ?? false;
    row.querySelectorAll(".ringing").forEach((list) => list.classList.toggle("in-turn-on", inTurn));
  }

  // The steps of a route are moved as a whole; their order fills the boxes "Order", which are hidden.
  const NEEDED = {
    phones: ["ring"],
    people: ["ring"],
    in_turn: ["ring"],
    timeout: ["ring", "forward"],
    forward_to: ["forward"],
    policy: ["forward"],
    mailbox: ["voicemail"],
    sound: ["announce"],
    cause: ["reject"],
  };
  const steps = () => [...document.querySelectorAll("#steps-group .inline-related:not(.empty-form)")];
  function numberSteps() {
    steps().forEach((row, index) => {
      const place = row.querySelector("input[name$='-place']");
      if (!place) return;
      place.value = index + 1;
      place.closest(".form-multiline > div")?.classList.add("unneeded");
      const kind = row.querySelector("select[name$='-kind']");
      const label = row.querySelector("h3 .inline_label");
      if (label) label.textContent = `${index + 1}. ${kind.selectedOptions[0]?.textContent ?? ""}`;
    });
  }
  function stepMovers() {
    for (const row of steps()) {
      const heading = row.querySelector("h3");
      if (!row.querySelector("input[name$='-place']") || heading.querySelector(".movers")) continue;
      const span = document.createElement("span");
      span.className = "movers";
      for (const [move, sign, word] of [[-1, "↑", "up"], [1, "↓", "down"]]) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = sign;
        button.setAttribute("aria-label", `Move this step ${word}`);
        button.addEventListener("click", () => {
          const all = steps();
          const other = all[all.indexOf(row) + move];
          if (!other) return;
          other.parentElement.insertBefore(move < 0 ? row : other, move < 0 ? other : row);
          numberSteps();
          button.focus();
        });
        span.append(button);
      }
      heading.append(span);
    }
    numberSteps();
  }
  function register() {
    const box = document.querySelector("#id_register");
    if (!box) return;
    for (const name of ["username", "password"]) {
      document.querySelector(`.form-row.field-${name}`)?.classList.toggle("unneeded", !box.checked);
    }
  }
  const fitAll = () => document.querySelectorAll(".inline-related").forEach(fit);
  function prepare() {
    document.querySelectorAll(".movers").forEach((span) => { span.hidden = false; });
    document.querySelectorAll(".box-list").forEach((list) => {
      list.querySelector(".box-filter").hidden = list.querySelectorAll("li").length < 8;
    });
    fitAll();
    stepMovers();
    register();
  }
  document.addEventListener("change", () => { fitAll(); numberSteps(); register(); });
  document.addEventListener("formset:removed", numberSteps);
  document.addEventListener("formset:added", prepare);
  prepare();
})();

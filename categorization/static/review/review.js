// The keyboard on the review page, and where the focus goes. Without this file every button still works.
(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const rowOf = (element) => element?.closest?.("[data-row]") ?? null;
  const waits = (row) => row.dataset.state === "review" && row.getAttribute("aria-busy") !== "true";
  const openMenu = () => document.querySelector(".rv-choices[open]");

  // One row at a time stands in the order of Tab, so that Tab reaches the buttons without sixty stops between.
  const settle = (current) => {
    const all = rows();
    const first = all.includes(current) ? current : all.find((row) => row.tabIndex === 0) ?? all.find(waits) ?? all[0];
    all.forEach((row) => { row.tabIndex = row === first ? 0 : -1; });
  };

  const focus = (element) => {
    if (!element) return;
    if (element.matches("[data-row]")) settle(element);
    element.focus();
    element.scrollIntoView({ block: "nearest" });
  };

  const move = (row, step) => {
    const all = rows();
    focus(row ? all[all.indexOf(row) + step] : all.find(waits) ?? all[0]);
  };

  const goOn = (row) => {
    const all = rows();
    const at = all.indexOf(row);
    const next = [...all.slice(at + 1), ...all.slice(0, at)].find(waits);
    focus(next ?? document.getElementById("sign-off"));
  };

  const count = () => {
    const number = document.querySelectorAll("input[name=agree]:checked").length;
    const form = document.getElementById("rv-agree");
    if (!form) return;
    document.getElementById("rv-ticked").textContent = number;
    form.querySelector("button").disabled = number === 0;
    form.hidden = !document.querySelector("input[name=agree]");
  };

  const inMenu = (target, step) => {
    const menu = target.closest(".rv-choices[open]");
    if (!menu) return false;
    const buttons = [...menu.querySelectorAll(".rv-menu button")];
    buttons[Math.max(0, Math.min(buttons.length - 1, buttons.indexOf(target) + step))].focus();
    return true;
  };

  const press = (event, row) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && (row || event.target === document.body)) {
      if (!inMenu(event.target, step)) move(row, step);
      return true;
    }
    if (!row) return false;
    if (event.key === "Enter" && event.target === row) {
      row.querySelector("[data-agree]")?.click();
      return true;
    }
    const choice = /^[1-9]$/.test(event.key) && row.querySelector(`[data-number="${event.key}"]`);
    choice?.click?.();
    return Boolean(choice);
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=text], textarea")) return;
    if (event.key === "Escape" && openMenu()) {
      const menu = openMenu();
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (press(event, rowOf(event.target))) {
      event.preventDefault();
    }
  });

  document.addEventListener("focusin", (event) => {
    const row = rowOf(event.target);
    if (row) settle(row);
    const menu = openMenu();
    if (menu && !menu.contains(event.target)) menu.open = false;
  });

  document.addEventListener("click", (event) => {
    const menu = openMenu();
    if (menu && !menu.contains(event.target)) menu.open = false;
  });

  document.addEventListener("toggle", (event) => {
    if (event.target.open) event.target.querySelector(".rv-menu")?.scrollIntoView({ block: "nearest" });
  }, true);

  // Requests wait for each other; what was pressed is kept with the form, since the focus goes on at once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const row = rowOf(form);
    if (!row || !form.matches("[data-choices]") || !event.submitter) return;
    const kept = document.createElement("input");
    Object.assign(kept, { type: "hidden", name: "category", value: event.submitter.value });
    form.append(kept);
    form.querySelector("details").open = false;
    if (!waits(row)) return;
    row.setAttribute("aria-busy", "true");
    goOn(row);
  }, true);

  document.addEventListener("htmx:afterSettle", (event) => {
    const row = rowOf(event.detail.elt) ?? document.getElementById(event.detail.target?.id);
    if (row?.matches("[data-row]")) {
      const lost = document.activeElement === document.body;
      if (row.dataset.state === "asks") row.querySelector("[data-first]").focus();
      else if (lost) focus(row);
    }
    settle(rowOf(document.activeElement));
    count();
  });

  const trouble = (event) => {
    rowOf(event.detail.elt)?.removeAttribute("aria-busy");
    const notice = document.getElementById("rv-trouble");
    notice.hidden = false;
    notice.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("htmx:responseError", trouble);
  document.addEventListener("htmx:sendError", trouble);
  document.addEventListener("change", count);

  // Whoever is faster than the server must not leave before everything is saved.
  window.addEventListener("beforeunload", (event) => {
    if (document.querySelector("[data-row][aria-busy=true]")) event.preventDefault();
  });

  document.getElementById("rv-hint").hidden = false;
  settle(null);
  count();
  const named = document.getElementById(location.hash.slice(1));
  if (named?.matches("[data-row]")) focus(named);
})();

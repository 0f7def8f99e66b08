/* Small helps for every page: copying, controls that the keyboard reaches, dialogs that take the focus. */
(() => {
    "use strict";

    const NATIVE = "a[href], button, input, select, textarea, summary, label";

    /* Copy buttons: <button data-copy="id of the input">. */
    async function copy(button) {
        const source = document.getElementById(button.dataset.copy);
        const words = button.querySelector("[data-words]");
        try {
            await navigator.clipboard.writeText(source.value);
        } catch {
            const type = source.type;
            source.type = "text";
            source.select();
            document.execCommand("copy");
            source.type = type;
        }
        const before = words.textContent;
        button.classList.add("is-copied");
        words.textContent = "Copied";
        window.setTimeout(() => {
            button.classList.remove("is-copied");
            words.textContent = before;
        }, 1800);
    }

    function toggle(button) {
        const input = document.getElementById(button.dataset.show);
        const isHidden = input.type === "password";
        input.type = isHidden ? "text" : "password";
        button.setAttribute("aria-pressed", String(isHidden));
        button.querySelector("[data-words]").textContent = isHidden ? "Hide" : "Show";
    }

    document.addEventListener("click", (event) => {
        const button = event.target.closest("[data-copy], [data-show]");
        if (button) {
            button.dataset.copy ? copy(button) : toggle(button);
        }
    });

    /* The theme puts click handlers on plain elements: make them buttons for keyboard and screen reader. */
    const NAMES = {
        dock_to_right: "Menu",
        close: "Close",
        more_horiz: "More",
        more_vert: "More",
        filter_list: "Filters",
        search: "Search",
        visibility: "Show password",
        visibility_off: "Hide password",
    };

    function reachable(element) {
        const isClickable = element.hasAttribute("x-on:click") || element.hasAttribute("@click");
        if (!isClickable || element.matches(NATIVE) || element.hasAttribute("tabindex")) {
            return;
        }
        if (element.querySelector(NATIVE) || element.id === "changelist-filter-close") {
            return;
        }
        element.setAttribute("tabindex", "0");
        element.setAttribute("role", "button");
        element.addEventListener("keydown", (event) => {
            if (event.key === "Enter" || event.key === " ") {
                event.preventDefault();
                element.click();
            }
        });
    }

    function reachableIn(root) {
        root.querySelectorAll("[x-on\\:click]").forEach(reachable);
        root.querySelectorAll("a, button, [role=button]").forEach((element) => name(element, NAMES[element.textContent.trim()]));
    }

    function name(element, words) {
        if (words && !element.hasAttribute("aria-label") && !element.labels?.length) {
            element.setAttribute("aria-label", words);
        }
    }

    /* Boxes that only their place explains: the search of a list, and what is edited in a list's rows. */
    function nameBoxes() {
        const search = document.getElementById("searchbar");
        if (search) {
            name(search, search.placeholder || "Search");
        }
        document.querySelectorAll("#result_list td :is(select, textarea, input:not([type=hidden], [type=checkbox]))").forEach((box) => {
            const cell = box.closest("td");
            const heading = cell.closest("table").querySelectorAll("thead th")[cell.cellIndex];
            const row = cell.parentElement.querySelector("th, td a");
            name(box, [heading, row].map((one) => one?.textContent.trim()).filter(Boolean).join(" of "));
        });
    }

    /* On a phone each cell says its column; the theme takes every first cell for a tick box. */
    function nameCells() {
        document.querySelectorAll(":is(#result_list, .tabular) [data-label]").forEach((cell) => {
            const heading = cell.closest("table").querySelector("thead th");
            const isNoTick = cell.dataset.label === "Select record" && !cell.querySelector("input[type=checkbox]");
            const words = isNoTick && heading ? heading.textContent.trim() : cell.dataset.label;
            cell.dataset.label = words.charAt(0).toUpperCase() + words.slice(1);
        });
    }

    document.addEventListener("DOMContentLoaded", () => {
        reachableIn(document);
        nameCells();
        nameBoxes();
        const dialog = document.getElementById("modal-content");
        if (dialog) {
            dialog.setAttribute("role", "dialog");
            dialog.setAttribute("aria-modal", "true");
        }
    });

    document.addEventListener("htmx:afterSwap", (event) => {
        reachableIn(event.target);
        if (event.target.id === "modal-content") {
            const first = event.target.querySelector("textarea, input:not([type=hidden]), select, button[type=submit]");
            window.setTimeout(() => first && first.focus(), 60);
        }
    });
})();

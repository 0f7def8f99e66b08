/* Small helps for the guided set-up; every page works without them. */
(() => {
    "use strict";

    /* The short name follows the name until somebody types one. */
    document.querySelectorAll("[data-slug-of]").forEach((slug) => {
        const name = document.getElementById(slug.dataset.slugOf);
        let isOwn = slug.value !== "";
        slug.addEventListener("input", () => {
            isOwn = slug.value !== "";
        });
        name?.addEventListener("input", () => {
            if (!isOwn) {
                const plain = name.value.normalize("NFKD").replace(/[\u0300-\u036f]/g, "");
                slug.value = plain.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 46);
            }
        });
    });

    /* What takes some seconds says so, and is not sent twice; what cannot be taken back asks first. */
    document.addEventListener("submit", (event) => {
        const form = event.target;
        const pressed = event.submitter;
        if (pressed?.dataset.ask && !window.confirm(pressed.dataset.ask)) {
            event.preventDefault();
            return;
        }
        if (form.dataset.busy && pressed) {
            window.setTimeout(() => {
                form.querySelectorAll("button").forEach((button) => {
                    button.disabled = true;
                });
                pressed.textContent = form.dataset.busy;
                form.setAttribute("aria-busy", "true");
            });
        }
    });

    /* Back in the browser's history the buttons work again. */
    window.addEventListener("pageshow", (event) => {
        if (event.persisted) {
            window.location.reload();
        }
    });

    /* On a phone the list of steps starts closed: the page itself comes first. */
    if (window.matchMedia("(max-width: 1023px)").matches) {
        document.querySelectorAll(".axw-steps").forEach((steps) => steps.removeAttribute("open"));
    }
})();

// The table of types by keyboard: arrows go from row to row, numbers choose a category.
(() => {
    const fields = () => [...document.querySelectorAll("select[data-category]")];
    document.addEventListener("keydown", (event) => {
        const field = event.target;
        if (!(field instanceof HTMLSelectElement) || !field.dataset.category || event.altKey || event.ctrlKey || event.metaKey) return;
        const all = fields();
        const place = all.indexOf(field);
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (step) {
            event.preventDefault();
            const next = all[place + step];
            if (next) next.focus();
        } else if (/^[1-8]$/.test(event.key) && field.options.length > Number(event.key)) {
            event.preventDefault();
            field.selectedIndex = Number(event.key);
            field.dispatchEvent(new Event("change", { bubbles: true }));
            const next = all[place + 1];
            if (next) next.focus();
        } else if (event.key === "Enter") {
            event.preventDefault();
            const save = document.querySelector("[name=_save]");
            if (save) save.click();
        }
    });
})();

// Moves the cards of the board from where they were to where they are now, when the board is drawn anew.
(() => {
  const SLIDE = { duration: 450, easing: "cubic-bezier(.2, .8, .2, 1)" };
  const wantsQuiet = window.matchMedia("(prefers-reduced-motion: reduce)");
  let before = new Map();

  const cards = () => document.querySelectorAll("#axs-board [data-card]");
  const isBoard = (event) => event.detail.target.id === "axs-board";

  const remember = () => {
    before = new Map();
    cards().forEach((card) => before.set(card.dataset.card, {
      place: card.getBoundingClientRect(), changed: card.dataset.changed,
    }));
  };

  const animate = (card) => {
    const was = before.get(card.dataset.card);
    if (!was) {
      card.animate([{ opacity: 0, transform: "scale(.92)" }, { opacity: 1, transform: "none" }], SLIDE);
      return;
    }
    const is = card.getBoundingClientRect();
    const x = was.place.left - is.left;
    const y = was.place.top - is.top;
    if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], SLIDE);
    if (was.changed !== card.dataset.changed) {
      card.animate([{ boxShadow: "0 0 0 3px var(--color-primary-400)" }, { boxShadow: "none" }], { duration: 1400 });
    }
  };

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (isBoard(event)) remember();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (isBoard(event) && !wantsQuiet.matches) cards().forEach(animate);
    if (event.detail.target.id === "axs-answers") {
      event.detail.target.querySelectorAll(".axs-hint, .axs-answer:nth-child(n + 25)").forEach((one) => one.remove());
    }
  });
})();

// Keeps the open dashboard true: the chart takes its new numbers, and a broken connection is said.
(() => {
  const barChart = () => {
    const canvas = document.querySelector("#axd-chart canvas");
    return canvas && window.Chart ? Chart.getChart(canvas) : undefined;
  };

  const redraw = (carrier) => {
    const chart = barChart();
    const fresh = JSON.parse(carrier.dataset.chart);
    if (!chart) return;
    chart.data.labels = fresh.labels;
    chart.data.datasets.forEach((dataset, index) => { dataset.data = fresh.datasets[index].data; });
    chart.update();
    document.getElementById("axd-chart").setAttribute("aria-label", carrier.dataset.words);
  };

  const say = (words, tone) => {
    const status = document.getElementById("axd-live");
    if (!status || status.lastElementChild.textContent === words) return;
    status.lastElementChild.textContent = words;
    status.firstElementChild.className = `axd-dot axd-${tone}`;
  };

  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id === "axd-chart-data") redraw(document.getElementById("axd-chart-data"));
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.requestConfig.verb !== "get") return;
    if (event.detail.successful) say("Live", "success");
    else say("Not live: AX Connect does not answer. Trying again.", "danger");
  });

  // A row's button was pressed: the list stays as it is until the answer came and could be read.
  const READING_MS = 15000;
  const isBusy = () => {
    const list = document.getElementById("axd-attention");
    if (list.querySelector("form.htmx-request")) return true;
    const isNew = (row) => Date.now() - Number(row.dataset.done) < READING_MS;
    return [...list.querySelectorAll("[data-done]")].some(isNew);
  };
  document.addEventListener("htmx:load", (event) => {
    if (event.detail.elt.matches("[data-done]")) event.detail.elt.dataset.done = Date.now();
  });
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.detail.target.id === "axd-attention" && isBusy()) event.detail.shouldSwap = false;
  });

  const refused = (event) => {
    const row = event.detail.elt.closest(".axd-item");
    if (!row || event.detail.requestConfig?.verb === "get") return;
    let words = row.querySelector("[data-refused]");
    if (!words) {
      words = document.createElement("p");
      words.className = "ax-small axd-refused";
      words.dataset.refused = "";
      words.setAttribute("role", "alert");
      row.append(words);
    }
    const status = event.detail.xhr?.status;
    if (status === 403) words.textContent = "Not done: your role does not include it, or the page was open too long. Load it again.";
    else if (status === 404) words.textContent = "Not done: it is gone. Load the page again.";
    else words.textContent = "Not done: AX Connect did not answer. Try again.";
  };
  document.addEventListener("htmx:responseError", refused);
  document.addEventListener("htmx:sendError", refused);
})();

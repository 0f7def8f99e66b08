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
    if (event.detail.successful) say("Live", "success");
    else say("Not live: AX Connect does not answer. Trying again.", "danger");
  });
})();

// Keeps the open dashboard true: the chart takes its new numbers, and a broken connection is said.
(() => {
  const barChart = () => {
    const canvas = document.querySelector("#ax-chart canvas");
    return canvas && window.Chart ? Chart.getChart(canvas) : undefined;
  };

  const redraw = (carrier) => {
    const chart = barChart();
    const fresh = JSON.parse(carrier.dataset.chart);
    if (!chart) return;
    chart.data.labels = fresh.labels;
    chart.data.datasets.forEach((dataset, index) => { dataset.data = fresh.datasets[index].data; });
    chart.update();
    document.getElementById("ax-chart").setAttribute("aria-label", carrier.dataset.words);
  };

  const say = (words, tone) => {
    const status = document.getElementById("ax-live");
    if (!status || status.lastElementChild.textContent === words) return;
    status.lastElementChild.textContent = words;
    status.firstElementChild.dataset.tone = tone;
  };

  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id === "ax-chart-data") redraw(event.detail.target);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) say("Live", "success");
    else say("Not live: AX Connect does not answer. Trying again.", "danger");
  });
})();

"use strict";
// Unpacks plotly.js, draws each figure when it comes near the window, and anew when the theme changes.
const CONFIG = {
  responsive: true, displaylogo: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};
const element = (id) => document.getElementById(id);
const places = [...document.querySelectorAll(".figure")];

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function run(code) {
  const script = document.createElement("script");
  script.textContent = code;
  document.head.append(script);
}

// A copy in which the names of colours are the theme's colours.
function coloured(value, style) {
  if (typeof value === "string") {
    const name = /^var\((--[a-z0-9-]+)\)$/.exec(value);
    return name ? style.getPropertyValue(name[1]).trim() : value;
  }
  if (Array.isArray(value)) return value.map((one) => coloured(one, style));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, coloured(one, style)]));
}

function template() {
  const axis = {
    gridcolor: "var(--grid)", linecolor: "var(--grid)", tickcolor: "var(--grid)", zeroline: false,
    automargin: true, exponentformat: "power", title: { standoff: 8 },
  };
  return { layout: {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", xaxis: axis, yaxis: axis,
    font: { color: "var(--ink)", family: getComputedStyle(document.body).fontFamily, size: 12 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    hoverlabel: { bgcolor: "var(--paper)", bordercolor: "var(--rule)", font: { color: "var(--ink)" } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: "var(--rule)", activecolor: "var(--ink)" },
    margin: { l: 10, r: 12, t: 30, b: 10 },
  } };
}

function draw(place, figure) {
  const style = getComputedStyle(document.documentElement);
  const layout = coloured({ ...figure.layout, template: template() }, style);
  const small = place.closest(".grid") || matchMedia("(max-width: 760px)").matches;
  const config = { ...CONFIG, displayModeBar: small ? false : "hover" };
  Plotly.react(place, coloured(figure.data, style), layout, config);
  place.dataset.drawn = "yes";
}

async function main() {
  if (!window.DecompressionStream) throw new Error("this browser is too old: it cannot unpack plotly.js");
  run(await unpack(element("plotly").textContent));
  const figures = JSON.parse(element("figures").textContent);
  const show = (place) => draw(place, figures[place.id]);
  const queue = [];
  const next = () => {
    if (queue.length) show(queue.shift());
    if (queue.length) setTimeout(next); // the page answers between two figures
  };
  const watcher = new IntersectionObserver((entries) => {
    const near = entries.filter((one) => one.isIntersecting).map((one) => one.target);
    near.forEach((place) => watcher.unobserve(place));
    if (queue.push(...near) === near.length) next();
  }, { rootMargin: "300px" });
  places.forEach((place) => watcher.observe(place));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    places.filter((place) => place.dataset.drawn).forEach(show);
  });
  addEventListener("beforeprint", () => places.filter((place) => !place.dataset.drawn).forEach(show));
}

main().catch((error) => {
  for (const place of places) place.textContent = `Not drawn: ${error.message}`;
});

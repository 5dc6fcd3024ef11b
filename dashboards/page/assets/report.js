"use strict";
(() => {
  let figures = {};
  let dark = {}; // for each colour of the light theme, that of the dark one
  const plots = [...document.querySelectorAll("[data-figure]")];
  const darkScreen = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const INK = "#1a1f27"; // the light theme's ink: what is drawn here is recoloured like everything else
  const PAPER_WIDTH = 670;
  const state = { ready: false, printing: false, show: "all", focus: "" };

  // Each light colour stands for one role, so a dark figure is the same figure with its colours exchanged.
  function recoloured(value) {
    if (typeof value === "string") return dark[value] ?? value;
    if (Array.isArray(value)) return value.map(recoloured);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, recoloured(inner)]));
    }
    return value;
  }

  const inDark = () => darkScreen.matches && !state.printing;

  function figureOf(plot) {
    const figure = structuredClone(figures[plot.dataset.figure]);
    placeLabels(plot, figure);
    figure.data.forEach((trace) => dressCurve(trace));
    const inFront = (trace) => Number(Boolean(state.focus) && trace.meta?.trial === state.focus);
    figure.data.sort((a, b) => inFront(a) - inFront(b));
    if (innerWidth < 640) figure.data = figure.data.map(withoutLabels);
    figure.data.push(...focusMarks(figure));
    figure.layout.dragmode = touch ? false : "zoom"; // a finger on a figure scrolls the page
    return inDark() ? recoloured(figure) : figure;
  }

  // Labels lie free of each other at the widths that they were placed for: the widest that there is room for is taken.
  function placeLabels(plot, figure) {
    const placed = figure.layout.meta?.labels;
    if (!placed) return;
    const room = state.printing ? PAPER_WIDTH : plot.parentElement.clientWidth;
    const chosen = placed.findLast(({ width }) => width <= room) ?? placed[0];
    figure.layout.annotations = chosen.annotations;
    figure.layout.width = chosen.width;
    plot.style.width = `${chosen.width}px`;
  }

  // A curve of the background is hidden, or drawn strong while its trial is looked for.
  function dressCurve(trace) {
    const { trial, role } = trace.meta ?? {};
    if (!trial) return;
    const background = role === "other" || role === "failed";
    if (trial === state.focus) Object.assign(trace.line, { width: 3.5, color: background ? INK : trace.line.color });
    else if (background && state.show !== "all") trace.visible = false;
  }

  // On a narrow screen labels that the page repeats elsewhere would lie upon each other.
  function withoutLabels(trace) {
    if (trace.meta?.labels !== "optional") return trace;
    return { ...trace, mode: trace.mode.replace(/\+?text/, "") || "none" };
  }

  // The looked-for trial, marked wherever a trace says which trials its points are: a frame in a map, a ring elsewhere.
  function focusMarks(figure) {
    for (const trace of figure.data) {
      const at = state.focus && Array.isArray(trace.customdata) ? trace.customdata.indexOf(state.focus) : -1;
      if (at < 0) continue;
      const [x, y] = [trace.x[at], trace.y[at]];
      const common = { type: "scatter", hoverinfo: "skip", showlegend: false, cliponaxis: false };
      if (trace.mode !== "text") {
        const marker = { symbol: "circle-open", size: 22, color: INK, line: { width: 2 } };
        return [{ ...common, mode: "markers", x: [x], y: [y], marker }];
      }
      const [left, right, bottom, top] = [x - 0.48, x + 0.48, y - 0.46, y + 0.46];
      const path = { x: [left, right, right, left, left], y: [top, top, bottom, bottom, top] };
      return [{ ...common, ...path, mode: "lines", line: { color: INK, width: 4 } }];
    }
    return [];
  }

  const folded = [...document.querySelectorAll("section > details")]; // what figures lie in; their data stay closed
  const isFolded = (plot) => plot.closest("details:not([open])") !== null;

  // Paper does not tell its width to scripts; this fits A4 and Letter with the margins of the style sheet.
  function forPaper(layout) {
    if (layout.meta?.labels) return; // drawn for its own width, in which its labels are free of each other
    layout.width = PAPER_WIDTH;
    layout.height *= 0.85;
    layout.font.size = 10;
  }

  function draw() {
    if (!state.ready) return; // a row can be clicked before plotly is unpacked; what it chose is drawn then
    // What is folded has no width to be drawn at: it is drawn when it is opened.
    for (const plot of plots.filter((each) => !isFolded(each))) {
      const { data, layout } = figureOf(plot);
      if (state.printing) forPaper(layout);
      Plotly.react(plot, data, layout, {
        responsive: !layout.width,
        displaylogo: false,
        displayModeBar: "hover",
        modeBarButtons: [["toImage"]],
        toImageButtonOptions: { format: "svg", filename: plot.dataset.figure },
      });
    }
  }

  function focusOn(trial) {
    state.focus = trial;
    const chooser = document.getElementById("focus");
    if (chooser) chooser.value = trial;
    for (const row of document.querySelectorAll("tr[data-trial]")) row.classList.toggle("focus", row.dataset.trial === trial);
    draw();
  }

  document.getElementById("focus")?.addEventListener("change", (event) => focusOn(event.target.value));
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      state.show = button.dataset.show;
      for (const other of document.querySelectorAll("[data-show]")) other.ariaPressed = String(other === button);
      draw();
    });
  }
  document.addEventListener("click", (event) => {
    const row = event.target.closest?.("tr[data-trial]");
    if (row) focusOn(row.dataset.trial === state.focus ? "" : row.dataset.trial);
  });

  // Of a long table the rows beyond the first ones lie beside it, packed, until they are asked for.
  const filled = new Map();
  function whole(table) {
    const frame = table.parentElement;
    if (!filled.has(table)) filled.set(table, fill(table, frame.querySelector("script.rest"), frame.querySelector(".more")));
    return filled.get(table);
  }

  async function fill(table, rest, button) {
    if (!rest) return;
    button.disabled = true;
    const rows = document.createElement("template");
    rows.innerHTML = await unpackedText(rest.textContent);
    for (const row of rows.content.querySelectorAll("tr[data-trial]")) row.classList.toggle("focus", row.dataset.trial === state.focus);
    table.tBodies[0].append(rows.content);
    table.caption.textContent = table.caption.textContent.replace(/: the first [\d,]+ of /, ": ");
    rest.remove();
    button.remove();
  }

  for (const button of document.querySelectorAll("button.more")) {
    button.addEventListener("click", () => whole(button.parentElement.querySelector("table")));
  }

  // Sorting: numbers by value, text by name, empty cells last in both directions; equal cells keep their order.
  function compare(a, b, sign) {
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    const numeric = a !== "" && b !== "" && !Number.isNaN(Number(a)) && !Number.isNaN(Number(b));
    return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true }));
  }

  for (const heading of document.querySelectorAll(".sortable thead th")) {
    heading.querySelector("button").addEventListener("click", async () => {
      await whole(heading.closest("table"));
      const body = heading.closest("table").tBodies[0];
      const column = heading.cellIndex;
      const first = heading.classList.contains("number") ? "descending" : "ascending";
      const second = first === "descending" ? "ascending" : "descending";
      const order = heading.ariaSort === first ? second : first;
      for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
      heading.ariaSort = order;
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...body.rows];
      rows.sort((a, b) => compare(a.cells[column].dataset.value, b.cells[column].dataset.value, sign));
      body.append(...rows);
    });
  }

  const textOf = (row) => [...row.cells].map((cell) => cell.textContent.toLowerCase()).join(" ");
  document.getElementById("filter")?.addEventListener("input", async (event) => {
    const table = event.target.closest("section").querySelector("table");
    await whole(table);
    const wanted = event.target.value.trim().toLowerCase();
    const body = table.tBodies[0];
    for (const row of body.rows) row.hidden = !textOf(row).includes(wanted);
  });

  function print(printing) {
    state.printing = printing;
    for (const each of folded) {
      if (printing) each.dataset.was = each.open ? "open" : "closed";
      each.open = printing || each.dataset.was === "open";
    }
    draw();
  }
  // Figures whose labels are placed for a width are not squeezed by plotly, but drawn again.
  let width = innerWidth;
  function redrawForWidth() {
    if (state.printing || innerWidth === width) return;
    width = innerWidth;
    draw();
  }
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));

  // Plotly.js and the figures lie in the page as text, packed.
  const unpacked = (id) => unpackedText(document.getElementById(id).textContent);
  function unpackedText(text) {
    const packed = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  async function start() {
    const script = document.createElement("script"); // runs as it is added
    script.textContent = await unpacked("plotly");
    document.head.append(script);
    ({ figures, dark } = JSON.parse(await unpacked("figures")));
    state.ready = true;
    draw();
    darkScreen.addEventListener("change", draw);
    for (const each of folded) each.addEventListener("toggle", () => each.open && !state.printing && draw());
    addEventListener("resize", redrawForWidth);
  }
  if (plots.length) start();
})();

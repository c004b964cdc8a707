"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const files = data.files;
  const table = document.getElementById("table");
  const rows = [...table.tBodies[0].rows];
  const filters = document.getElementById("filters");
  const axes = document.getElementById("axes");
  const plot = document.getElementById("plot");
  const told = document.getElementById("told");
  document.documentElement.classList.add("scripted");

  for (const { name } of data.filters) {
    for (const value of [...new Set(files.map((file) => file[name]))].sort()) {
      filters.elements[name].append(new Option(value === "" ? "(none)" : value, value === "" ? "\0" : value));
    }
  }

  const higher = () => data.qualities.find((one) => one.name === choice("quality")).higher;
  const choice = (name) => axes.querySelector(`[name="${name}"]`).value;
  const known = (value) => typeof value === "number";

  // Nothing is at least as good in everything and better in something.
  function front(chosen) {
    const quality = choice("quality");
    const sign = higher() ? -1 : 1;
    const point = (file) => [sign * file[quality], ...data.costs.map(({ name }) => file[name])];
    const judged = chosen.filter((at) => files[at].status === "passed" && point(files[at]).every(known));
    const better = (one, other) => one.every((v, i) => v <= other[i]) && one.some((v, i) => v < other[i]);
    return new Set(judged.filter((at) => !judged.some((other) => better(point(files[other]), point(files[at])))));
  }

  function selected() {
    const matches = (file) => data.filters.every(({ name }) => {
      const value = filters.elements[name].value;
      return value === "" || String(file[name]) === (value === "\0" ? "" : value);
    });
    return files.map((_, at) => at).filter((at) => matches(files[at]));
  }

  function element(name, attributes, parent, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  }

  const write = (value) => (Math.abs(value) >= 0.001 || value === 0 ? String(+value.toPrecision(4)) : value.toExponential(1));

  function draw(chosen, best) {
    const quality = choice("quality"), cost = choice("cost");
    plot.replaceChildren();
    const points = chosen.filter((at) => known(files[at][quality]) && known(files[at][cost]) && files[at][cost] > 0);
    if (!points.length) {
      element("text", { x: 430, y: 210, "text-anchor": "middle", class: "tick" }, plot, "No file here has both numbers.");
      return;
    }
    const [left, right, top, bottom] = [70, 840, 16, 372];
    // Errors of masks are small and many sizes apart: what is missing to 1 is drawn by powers of ten.
    const far = (value) => Math.max(higher() ? 1 - value : value, 1e-7);
    const ys = points.map((at) => Math.log10(far(files[at][quality])));
    const xs = points.map((at) => Math.log10(files[at][cost]));
    const span = (values) => {
      const low = Math.min(...values), high = Math.max(...values), pad = Math.max((high - low) * 0.06, 0.05);
      return [low - pad, high + pad];
    };
    const [x0, x1] = span(xs), [y0, y1] = span(ys);
    const x = (value) => left + ((value - x0) / (x1 - x0)) * (right - left);
    const y = (value) => top + ((value - y0) / (y1 - y0)) * (bottom - top);
    for (let i = 0; i <= 4; i++) {
      const down = y0 + (i / 4) * (y1 - y0), along = x0 + (i / 4) * (x1 - x0);
      element("line", { x1: left, x2: right, y1: y(down), y2: y(down), class: "rule" }, plot);
      const value = (higher() ? "1 − " : "") + (10 ** down).toExponential(0);
      element("text", { x: left - 8, y: y(down) + 4, "text-anchor": "end", class: "tick" }, plot, value);
      element("text", { x: x(along), y: bottom + 20, "text-anchor": "middle", class: "tick" }, plot, write(10 ** along));
    }
    const label = data.costs.find(({ name }) => name === cost).label;
    element("text", { x: right, y: bottom + 38, "text-anchor": "end", class: "tick" }, plot, `${label} →`);
    const order = points.map((at, i) => ({ at, x: x(xs[i]), y: y(ys[i]) }));
    for (const spot of order.sort((a, b) => best.has(a.at) - best.has(b.at))) {
      const file = files[spot.at];
      const group = element("g", { class: `${best.has(spot.at) ? "best" : ""} ${file.status === "passed" ? "" : "failed"}` }, plot);
      const circle = element("circle", { cx: spot.x, cy: spot.y, r: best.has(spot.at) ? 7 : 5 }, group);
      element("title", {}, circle, `${file.target} of ${file.bundle}: ${data.qualities.find((q) => q.name === quality).label} ${write(file[quality])}, ${label} ${write(file[cost])}`);
      circle.addEventListener("click", () => {
        for (const row of rows) row.classList.toggle("pointed", Number(row.dataset.row) === spot.at);
        rows.find((row) => Number(row.dataset.row) === spot.at).scrollIntoView({ block: "center" });
      });
    }
  }

  function update() {
    const chosen = selected();
    const best = front(chosen);
    const only = filters.elements.front.checked;
    for (const row of rows) {
      const at = Number(row.dataset.row);
      row.hidden = !chosen.includes(at) || (only && !best.has(at));
      row.classList.toggle("best", best.has(at));
    }
    const names = data.costs.map(({ label }) => label).join(" and ");
    const quality = data.qualities.find(({ name }) => name === choice("quality")).label;
    told.textContent = `${chosen.length} files; ${best.size} on the front of ${quality}, ${names}: no other that holds its gates is as good in all of them and better in one.`;
    draw(chosen, best);
  }

  let sorted = { key: "", up: true };
  table.tHead.addEventListener("click", (event) => {
    const key = event.target.dataset && event.target.dataset.key;
    if (!key) return;
    sorted = { key, up: sorted.key === key ? !sorted.up : true };
    for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
    event.target.parentNode.setAttribute("aria-sort", sorted.up ? "ascending" : "descending");
    const value = (row) => files[Number(row.dataset.row)][key];
    rows.sort((a, b) => {
      const one = value(a), other = value(b);
      if (one === null || other === null) return (one === null) - (other === null);
      const order = known(one) && known(other) ? one - other : String(one).localeCompare(String(other));
      return sorted.up ? order : -order;
    });
    table.tBodies[0].append(...rows);
  });
  for (const form of [filters, axes]) form.addEventListener("input", update);
  update();
})();

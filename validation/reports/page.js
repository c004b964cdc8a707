"use strict";
(() => {
  const root = document.documentElement;
  const find = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const data = JSON.parse(find("#data").textContent);
  root.classList.add("scripted");

  // Theme: as the system has it, or as chosen. A page from a file may not be allowed to remember.
  const themes = ["auto", "light", "dark"];
  const themeButton = find("#theme");
  const setTheme = (theme) => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    find("span", themeButton).textContent = theme;
    try { localStorage.setItem("maskport-theme", theme); } catch { /* then it is asked again */ }
  };
  let stored = null;
  try { stored = localStorage.getItem("maskport-theme"); } catch { /* as above */ }
  setTheme(themes.includes(stored) ? stored : "auto");
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    const now = themes.indexOf(root.dataset.theme ?? "auto");
    setTheme(themes[(now + 1) % themes.length]);
  });

  // Table: sorted by a column, back to the bundle's order with the third click.
  const table = find("#table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headings = all("thead th", table);
  const sortBy = (column, direction) => {
    const value = (row) => row.cells[column].dataset.value;
    const numeric = headings[column].classList.contains("number");
    const compare = (a, b) => {
      const [first, second] = [value(a), value(b)];
      if (first === undefined || second === undefined) {
        return (first === undefined) - (second === undefined);
      }
      const order = numeric ? first - second : first.localeCompare(second);
      return direction === "descending" ? -order : order;
    };
    body.append(...(direction === "none" ? rows : [...rows].sort(compare)));
    headings.forEach((heading, index) => {
      heading.setAttribute("aria-sort", index === column ? direction : "none");
    });
  };
  headings.forEach((heading, column) => {
    find("button", heading).addEventListener("click", () => {
      const turns = { none: "ascending", ascending: "descending", descending: "none" };
      sortBy(column, turns[heading.getAttribute("aria-sort")]);
    });
  });
  find("#all-columns").addEventListener("change", (event) => {
    table.classList.toggle("everything", event.target.checked);
  });
  const filterRows = () => {
    const name = find("#filter-name").value.trim().toLowerCase();
    const status = find("#filter-status").value;
    const kept = new Set();
    for (const row of rows) {
      const fits = row.dataset.target.toLowerCase().includes(name)
        && (!status || row.dataset.status === status);
      row.hidden = !fits;
      if (fits) kept.add(row.dataset.target);
    }
    for (const row of all(".ranges li[data-target]")) row.hidden = !kept.has(row.dataset.target);
    find("#none-left").hidden = kept.size > 0;
  };
  find("#filter-name").addEventListener("input", filterRows);
  find("#filter-status").addEventListener("change", filterRows);

  // Details: a link to a folded one opens it.
  const openTarget = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.matches("details")) target.open = true;
  };
  window.addEventListener("hashchange", openTarget);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#a-']");
    if (link) document.getElementById(link.hash.slice(1)).open = true;
  });
  openTarget();

  if (!find("#cards")) return;

  // Photos.
  const FIRST = 6;
  const STEP = 12;
  const TALLEST = 460;
  const image = (position) => data.images[position];
  const element = (tag, text, kind) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const anchors = new Map(all("details[data-artifact]").map((d) => [d.dataset.artifact, d.id]));
  const many = data.classes > 1;

  const paint = (ink, view, mask, photo) => {
    const url = `url("${image(mask)}")`;
    if (many) {
      ink.style.backgroundImage = url;
      return;
    }
    ink.style.maskImage = url;
    ink.style.webkitMaskImage = url;
    ink.style.backgroundImage = view === "cutout" && photo !== null ? `url("${image(photo)}")` : "";
  };

  const makeStage = (card, stage, photo) => {
    const handle = find(".handle", stage);
    const left = find(".left", stage);
    const right = find(".right", stage);
    const show = (share) => {
      const at = Math.min(100, Math.max(0, Math.round(share)));
      handle.style.left = `${at}%`;
      left.style.clipPath = `inset(0 ${100 - at}% 0 0)`;
      right.style.clipPath = `inset(0 0 0 ${at}%)`;
      handle.setAttribute("aria-valuenow", at);
      handle.setAttribute("aria-valuetext", `reference ${at} %, ${card.target} ${100 - at} %`);
    };
    handle.setAttribute("aria-label", `Reference and ${card.target} on ${photo.name}`);
    const follow = (event) => {
      const box = stage.getBoundingClientRect();
      show(100 * (event.clientX - box.left) / box.width);
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      stage.setPointerCapture(event.pointerId);
      handle.focus({ preventScroll: true });
      follow(event);
    });
    stage.addEventListener("pointermove", (event) => {
      if (stage.hasPointerCapture(event.pointerId)) follow(event);
    });
    handle.addEventListener("keydown", (event) => {
      const now = Number(handle.getAttribute("aria-valuenow"));
      const moves = {
        ArrowLeft: now - 2, ArrowDown: now - 2, ArrowRight: now + 2, ArrowUp: now + 2,
        PageDown: now - 10, PageUp: now + 10, Home: 0, End: 100,
      };
      if (!(event.key in moves)) return;
      event.preventDefault();
      show(moves[event.key]);
    });
    show(50);
  };

  const fit = (frame, photo) => {
    const shape = photo.width / photo.height;
    frame.style.aspectRatio = String(shape);
    // A tall photo shall not fill two screens, nor become a hair.
    frame.style.width = `min(100%, ${Math.max(44, Math.round(TALLEST * shape))}px)`;
  };

  const setView = (stage, card, photo) => {
    const chosen = find("#view input:checked")?.value ?? "mask";
    const view = chosen !== "mask" && photo.image === null ? "mask" : chosen;
    stage.dataset.view = view;
    find(".under", stage).hidden = view !== "overlay";
    paint(find(".left .ink", stage), view, photo.reference, photo.image);
    paint(find(".right .ink", stage), view, card.mask, photo.image);
  };

  const drawCard = (card) => {
    const photo = data.photos[card.photo];
    const made = find("#card").content.firstElementChild.cloneNode(true);
    const shape = photo.width / photo.height;
    made.classList.toggle("wide", shape > 2.2);
    made.classList.toggle("many", many);
    find(".photo-name", made).textContent = photo.name;
    const link = find("h3 .target", made);
    link.textContent = card.target + (card.emulated ? " (emulated)" : "");
    if (anchors.has(card.target)) link.href = `#${anchors.get(card.target)}`;
    const badge = find(".badge", made);
    badge.append(card.status);
    badge.classList.add(card.tone);
    find("use", badge).setAttribute("href", `#i-${card.tone}`);
    find(".flags", made).append(...card.flags.map((flag) => element("li", flag)));

    const drawn = card.mask !== undefined && photo.reference !== null;
    made.classList.toggle("bare", !drawn);
    if (drawn) {
      const stage = find(".stage", made);
      all(".stage, .frame", made).forEach((frame) => fit(frame, photo));
      find(".right-name", made).textContent = card.target;
      find(".size", made).textContent = `${photo.width} × ${photo.height}`;
      if (photo.image === null) find(".original", made).hidden = true;
      else {
        find(".under", stage).src = image(photo.image);
        const picture = find("img.photo", made);
        picture.src = image(photo.image);
        picture.alt = `The photo ${photo.name}`;
      }
      const [x, y] = card.at;
      const heat = find(".heat", made);
      heat.src = image(card.heat);
      heat.alt = `Error of ${card.target} on ${photo.name}: at most ${card.maximum}, `
        + `${x} % from the left and ${y} % from the top`;
      const ring = find(".ring", made);
      ring.style.left = `${x}%`;
      ring.style.top = `${y}%`;
      ring.hidden = !Number.parseFloat(card.maximum);
      find(".maximum", made).textContent = card.maximum;
      find(".most", made).textContent = card.scale === "1" ? "1" : `≥ ${card.scale}`;
      find(".not-numbers", made).hidden = !card.notNumbers;
      find(".not-numbers span", made).textContent = `${card.notNumbers} pixels without a number`;
      setView(stage, card, photo);
      makeStage(card, stage, photo);
      stage.addEventListener("maskport-view", () => setView(stage, card, photo));
    }

    find(".numbers", made).append(...card.shown.map(([label, value]) => {
      const pair = document.createElement("div");
      pair.append(element("dt", label), element("dd", value));
      return pair;
    }));
    const line = (...texts) => {
      const made = document.createElement("p");
      made.append(...texts.map((text) => element("span", text)));
      return made;
    };
    const columns = find(".columns", made);
    columns.append(...card.numbers.map(([label, value]) => line(label, value)));
    if (card.truth.length) {
      const head = line("against the truth", "reference → artifact");
      head.className = "head";
      columns.append(head);
      columns.append(...card.truth.map(([label, before, now]) => line(label, `${before} → ${now}`)));
    }
    return made;
  };

  const holder = find("#cards");
  const more = find("#more");
  let fitting = [];
  let drawnCards = 0;
  const drawMore = (count) => {
    const next = fitting.slice(drawnCards, drawnCards + count);
    holder.append(...next.map(drawCard));
    drawnCards += next.length;
    const left = fitting.length - drawnCards;
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(STEP, left)} more`;
    find("#shown").textContent = fitting.length
      ? `${drawnCards} of ${fitting.length} comparisons, worst first`
      : "No comparison matches.";
  };
  const choose = () => {
    const [target, photo, status] = ["target", "photo", "status"].map((k) => find(`#show-${k}`).value);
    fitting = data.cards.filter((card) => (!target || card.target === target)
      && (!photo || String(card.photo) === photo) && (!status || card.status === status));
    drawnCards = 0;
    holder.replaceChildren();
    drawMore(FIRST);
  };
  more.addEventListener("click", () => {
    const first = drawnCards;
    drawMore(STEP);
    // The button may be gone: the reader goes on at the first new card.
    find("h3 a", holder.children[first])?.focus({ preventScroll: true });
  });
  for (const key of ["target", "photo", "status"]) {
    find(`#show-${key}`).addEventListener("change", choose);
  }
  find("#view")?.addEventListener("change", () => {
    for (const stage of all(".stage", holder)) stage.dispatchEvent(new Event("maskport-view"));
  });
  for (const button of all("[data-show]")) {
    button.addEventListener("click", () => {
      find("#show-target").value = button.dataset.show;
      find("#show-photo").value = "";
      find("#show-status").value = "";
      choose();
      find("#photos").scrollIntoView();
      find("#show-target").focus({ preventScroll: true });
    });
  }
  choose();

  // On paper there is nothing to unfold.
  window.addEventListener("beforeprint", () => {
    for (const details of all("details.artifact")) details.open = true;
  });
})();

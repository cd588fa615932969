// @ts-check
"use strict";

/**
 * @typedef {{id: string, kind: string, href: string, state: string, expires: number, rung: string | null,
 *   rung_until: number, since: number, promised: number, nights: [string, number, number | null][]}} Clause
 * @typedef {{environment: string, builder: string, images: [number, string][], contracts: [number, string][],
 *   clauses: Clause[], texts: string[]}} Data
 * @typedef {{section: HTMLElement, rows: HTMLElement, fold: HTMLButtonElement, data: Data | null, open: boolean | null}} Part
 */

(() => {
  const grid = /** @type {HTMLElement} */ (document.getElementById("grid"));
  const form = /** @type {HTMLFormElement} */ (document.getElementById("filters"));
  const tip = /** @type {HTMLElement} */ (document.getElementById("tip"));
  const shown = /** @type {HTMLElement} */ (document.getElementById("shown"));
  const first = Number(grid.dataset.first);
  const last = Number(grid.dataset.last);
  const names = /** @type {Record<string, string>} */ ({ k: "kept", w: "waived", u: "unproven", b: "broken", "-": "no run" });
  const heights = /** @type {Record<string, [number, number]>} */ ({ k: [9, 8], w: [7, 10], u: [4, 13], b: [2, 15] });
  /** @type {{builderContractsDecay: (place: ParentNode) => void, builderContractsStateNow: (state: string, expires: number) => string}} */
  const { builderContractsDecay: decay, builderContractsStateNow: stateNow } = /** @type {any} */ (window);
  const HEIGHT = 19;
  const MOST_ROWS = 300;

  /** @type {Part[]} */
  const parts = [...grid.querySelectorAll(".gridclass")].map((found) => {
    const section = /** @type {HTMLElement} */ (found);
    return {
      section, data: null, open: null,
      rows: /** @type {HTMLElement} */ (section.querySelector(".rows")),
      fold: /** @type {HTMLButtonElement} */ (section.querySelector(".fold")),
    };
  });

  // --- data: one script per class, because a page from a file may not fetch others ---------------
  /** @type {Map<string, Promise<void>>} */
  const loading = new Map();
  Object.assign(window, {
    /** @param {Data} data */
    builderContractsGrid(data) {
      const part = parts.find((one) => one.section.dataset.class === data.builder && one.section.dataset.environment === data.environment);
      if (part) part.data = data;
    },
  });
  /** @param {Part} part @returns {Promise<void>} */
  const load = (part) => {
    const source = part.section.dataset.src || "";
    const known = loading.get(source);
    if (known) return known;
    const promise = new Promise((/** @type {(value: void) => void} */ done, failed) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => done();
      script.onerror = () => failed(new Error(source));
      document.head.append(script);
    });
    loading.set(source, promise);
    return promise;
  };

  // --- filters are part of the URL, so that every view has a link -------------------------------------
  const fields = ["q", "class", "environment", "kind", "state", "nights"];
  /** @param {string} name */
  const field = (name) => /** @type {HTMLInputElement | HTMLSelectElement | null} */ (form.elements.namedItem(name));
  const group = /** @type {HTMLInputElement} */ (field("group"));
  // As many nights as fit with their symbols, next to the columns before them.
  const narrow = innerWidth < 640;
  const usual = narrow ? "7" : "30";
  const readAddress = () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const name of fields) {
      const input = field(name);
      if (!input) continue;
      input.value = wanted.get(name) || (name === "nights" ? usual : "");
      if (input.value !== (wanted.get(name) || input.value)) input.value = name === "nights" ? usual : "";
    }
    group.checked = wanted.get("group") !== "no";
  };
  const writeAddress = () => {
    const said = new URLSearchParams();
    for (const name of fields) {
      const value = field(name)?.value || "";
      if (value && !(name === "nights" && value === usual)) said.set(name, value);
    }
    if (!group.checked) said.set("group", "no");
    const hash = said.toString();
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };

  // --- one clause over the nights in view ---------------------------------------------------------
  /** @param {Clause} clause @param {number} from @returns {{letter: string, at: number, count: number, all: number, text: number | null}[]} */
  const stretches = (clause, from) => {
    const found = [];
    let night = first;
    for (const [letter, count, text] of clause.nights) {
      const begin = Math.max(night, from);
      const end = night + count;
      if (end > begin) found.push({ letter, at: begin - from, count: end - begin, all: count, text });
      night = end;
    }
    return found;
  };
  const day = (/** @type {number} */ night) => new Date(night * 864e5).toISOString().slice(0, 10);
  const svg = (/** @type {string} */ name, /** @type {Record<string, string | number>} */ attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
    return made;
  };
  const html = (/** @type {string} */ name, kind = "", text = "") => {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text) made.textContent = text;
    return made;
  };
  const state = (/** @type {string} */ name, expires = 0) => {
    const made = html("span", `state ${name}`);
    if (expires) made.dataset.expires = String(expires);
    const symbol = svg("svg", { class: "sym", viewBox: "0 0 12 12", "aria-hidden": "true" });
    symbol.append(svg("use", { href: `#s-${name}` }));
    made.append(symbol, html("span", "word", name));
    return made;
  };

  const rung = (/** @type {Clause} */ clause) => {
    const cell = html("td", "rung-cell");
    if (clause.rung) {
      const made = html("span", clause.rung, clause.rung);
      Object.assign(made.dataset, { rung: clause.rung, expires: clause.expires, until: clause.rung_until });
      cell.append(made);
    }
    return cell;
  };

  /** Patterns that repeat a verdict's cell and symbol, so that a stretch of nights is one element. */
  const patterns = (/** @type {number} */ cell) => {
    document.getElementById("patterns")?.remove();
    if (cell < 12) return;
    const holder = svg("svg", { id: "patterns", class: "sprite", "aria-hidden": "true" });
    const defs = svg("defs", {});
    for (const letter of "kwub") {
      const pattern = svg("pattern", { id: `p-${letter}`, width: cell, height: HEIGHT, patternUnits: "userSpaceOnUse" });
      pattern.append(svg("rect", { class: `cell ${names[letter]}`, x: 0.5, y: 1.5, width: cell - 1, height: HEIGHT - 3, rx: 2 }));
      const size = Math.min(11, cell - 3);
      pattern.append(svg("use", { class: "mark", href: `#s-${names[letter]}`, x: (cell - size) / 2, y: (HEIGHT - size) / 2, width: size, height: size }));
      defs.append(pattern);
    }
    holder.append(defs);
    document.body.append(holder);
  };

  /** @param {Clause} clause @param {Data} data @param {number} from @param {number} cell */
  const draw = (clause, data, from, cell) => {
    const nights = last - from + 1;
    const told = stretches(clause, from);
    const words = told.slice(-8).map((one) => `${names[one.letter]} ${one.count}`).join(", ");
    const picture = svg("svg", { width: nights * cell, height: HEIGHT, role: "img", "aria-label": `nights, oldest first: ${words}` });
    for (const one of told) {
      if (one.letter === "-") continue;
      const x = one.at * cell;
      const width = one.count * cell;
      if (cell >= 12) {
        picture.append(svg("rect", { x, y: 0, width, height: HEIGHT, fill: `url(#p-${one.letter})` }));
      } else {
        const [y, height] = heights[one.letter];
        picture.append(svg("rect", { class: `cell ${names[one.letter]}`, x, y, width: Math.max(width - 0.5, 1), height }));
        if (width >= 14) picture.append(svg("use", { class: "mark", href: `#s-${names[one.letter]}`, x: x + width / 2 - 4.5, y: y + height / 2 - 4.5, width: 9, height: 9 }));
      }
    }
    for (const [night] of data.images) {
      if (night > from) picture.append(svg("line", { class: "change", x1: (night - from) * cell, x2: (night - from) * cell, y1: 0, y2: 3 }));
    }
    return picture;
  };

  /** @param {Data} data @param {number} from @param {number} cell */
  const axis = (data, from, cell) => {
    const nights = last - from + 1;
    // One date is wider than one night.
    const picture = svg("svg", { width: Math.max(nights * cell, 56), height: 34, role: "img", "aria-label": "dates, and nights on which image or contract changed" });
    const step = cell >= 12 ? 7 : Math.ceil(70 / cell / 7) * 7;
    for (let night = last; night >= from; night -= step) {
      const text = svg("text", { class: "axis", x: (night - from + 0.5) * cell, y: 11, "text-anchor": (night - from) * cell < 30 ? "start" : night === last ? "end" : "middle" });
      text.textContent = new Date(night * 864e5).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
      picture.append(text);
    }
    const mark = (/** @type {[number, string]} */ [night, digest], /** @type {string} */ what, /** @type {string} */ shape) => {
      if (night <= from) return;
      const x = (night - from) * cell;
      const made = svg("path", { class: "change-mark", d: shape, transform: `translate(${x} 25)` });
      const title = svg("title", {});
      title.textContent = `${day(night)}: ${what} changed to ${digest}`;
      made.append(title);
      picture.append(made);
    };
    for (const change of data.images) mark(change, "image", "M0 7-4.5-1h9z");
    for (const change of data.contracts) mark(change, "contract", "M0-6 3-2 0 2-3-2z");
    return picture;
  };

  // --- a class ------------------------------------------------------------------------------------
  /** @param {Clause} clause @param {Data} data @param {number} from */
  const wanted = (clause, data, from) => {
    const kind = field("kind")?.value;
    const verdict = field("state")?.value;
    if (kind && clause.kind !== kind) return false;
    const now = stateNow(clause.state, clause.expires);
    if (verdict === "attention" && ["kept", "waived"].includes(now)) return false;
    if (verdict === "changed" && new Set(stretches(clause, from).map((one) => one.letter).filter((one) => one !== "-")).size < 2) return false;
    if (verdict && !["attention", "changed", now].includes(verdict)) return false;
    const words = (field("q")?.value || "").toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return true;
    const latest = clause.nights.findLast((one) => one[2] !== null);
    const said = [data.environment, data.builder, clause.id, data.texts[clause.promised], latest ? data.texts[latest[2] ?? 0] : ""].join(" ").toLowerCase();
    return words.every((word) => said.includes(word));
  };

  const view = () => {
    const chosen = field("nights")?.value || usual;
    const nights = chosen === "all" ? last - first + 1 : Math.min(Number(chosen), last - first + 1);
    const room = Math.max(grid.clientWidth - (narrow ? 234 : 604), narrow ? 84 : 160);
    const cell = Math.max(chosen === "all" ? 2 : 7, Math.min(24, Math.floor(room / nights)));
    return { from: last - nights + 1, cell };
  };

  /** @param {Part} part @returns {number} */
  const render = (part) => {
    const data = part.data;
    if (!data) return 0;
    const { from, cell } = view();
    const clauses = data.clauses.filter((clause) => wanted(clause, data, from));
    const table = html("table", `gridtable${group.checked ? " grouped" : ""}`);
    const head = html("thead");
    const top = html("tr");
    for (const [text, kind] of [["clause", ""], ["now", ""], ["rung", "rung-cell"], ["since", "since"]]) {
      const cellHead = html("th", kind, text);
      cellHead.setAttribute("scope", "col");
      top.append(cellHead);
    }
    const dates = html("th", "nights");
    dates.setAttribute("scope", "col");
    dates.append(axis(data, from, cell));
    top.append(dates);
    head.append(top);
    const body = html("tbody");
    let kind = "";
    for (const clause of group.checked ? [...clauses].sort((a, b) => (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0)) : clauses) {
      if (group.checked && clause.kind !== kind) {
        kind = clause.kind;
        const row = html("tr", "kind");
        const title = html("th", "", kind);
        title.setAttribute("scope", "rowgroup");
        // Not one wide cell: it would scroll away with the nights if they do not fit.
        const rest = html("td");
        rest.setAttribute("colspan", "4");
        row.append(title, rest);
        body.append(row);
      }
      const row = html("tr");
      const name = html("th");
      name.setAttribute("scope", "row");
      const link = /** @type {HTMLAnchorElement} */ (html("a"));
      link.append(html("span", "prefix", `${clause.kind}/`), clause.id.slice(clause.kind.length + 1));
      link.href = clause.href;
      link.title = clause.id;
      name.append(link);
      const now = html("td");
      now.append(state(clause.state, clause.expires));
      const nights = html("td", "nights");
      nights.append(draw(clause, data, from, cell));
      row.append(name, now, rung(clause), html("td", "since quiet", day(clause.since)), nights);
      rowData.set(row, { clause, data });
      body.append(row);
    }
    table.append(head, body);
    part.rows.replaceChildren(clauses.length ? table : html("p", "quiet", "No clause matches."));
    toEnd.push(part.rows);
    decay(part.rows);
    return clauses.length;
  };

  /** @type {HTMLElement[]} Where there is no room for all nights, the latest are to be seen. */
  const toEnd = [];
  /** @type {WeakMap<Element, {clause: Clause, data: Data}>} */
  const rowData = new WeakMap();

  const says = () => JSON.stringify([...new FormData(form)]);
  let drawn = "";
  let turn = 0;
  const update = async () => {
    turn += 1;
    const mine = turn;
    drawn = says();
    hide();
    writeAddress();
    patterns(view().cell);
    const builder = field("class")?.value;
    const environment = field("environment")?.value;
    const narrowed = Boolean(field("q")?.value || builder || field("kind")?.value || field("state")?.value);
    const chosen = parts.filter((part) => (!builder || part.section.dataset.class === builder) && (!environment || part.section.dataset.environment === environment));
    const total = chosen.reduce((sum, part) => sum + Number(part.section.dataset.clauses), 0);
    let rows = 0;
    const opened = new Set();
    // If there is too much to draw at once, what needs attention comes first.
    for (const part of [...chosen].sort((a, b) => Number(b.section.dataset.attention) - Number(a.section.dataset.attention))) {
      const size = Number(part.section.dataset.clauses);
      const fits = narrowed || total <= MOST_ROWS || rows + size <= MOST_ROWS || rows === 0;
      if (part.open ?? fits) { opened.add(part); rows += size; }
    }
    await Promise.allSettled([...opened].map(load));
    if (mine !== turn) return;
    let count = 0;
    let classes = 0;
    for (const part of parts) {
      const open = opened.has(part);
      const found = open ? render(part) : 0;
      part.section.hidden = !chosen.includes(part) || (narrowed && open && part.data !== null && !found);
      part.rows.hidden = !open;
      part.fold.setAttribute("aria-expanded", String(open));
      if (open && !part.data) part.rows.replaceChildren(html("p", "quiet", `Cannot read ${part.section.dataset.src}.`));
      count += found;
      classes += open && found ? 1 : 0;
    }
    for (const rows of toEnd.splice(0)) rows.scrollLeft = rows.scrollWidth;
    shown.textContent = `${count} clause${count === 1 ? "" : "s"} of ${classes} class${classes === 1 ? "" : "es"} shown`;
    document.body.dataset.ready = String(mine);
  };

  // --- the tooltip of a night: pointer and keys ---------------------------------------------------------
  /** @type {{row: Element, night: number} | null} */
  let cursor = null;
  const hide = () => {
    tip.hidden = true;
    grid.querySelectorAll(".cursor").forEach((one) => one.remove());
    grid.querySelectorAll("tr.here").forEach((one) => one.classList.remove("here"));
  };
  /** @param {Element} row @param {number} night */
  const show = (row, night) => {
    const known = rowData.get(row);
    const picture = row.querySelector(".nights svg");
    if (!known || !picture) return;
    const { from, cell } = view();
    const one = stretches(known.clause, from).find((stretch) => night - from >= stretch.at && night - from < stretch.at + stretch.count);
    if (!one) return;
    hide();
    cursor = { row, night };
    row.classList.add("here");
    picture.append(svg("rect", { class: "cursor", x: (night - from) * cell + 1, y: 1, width: Math.max(cell - 2, 2), height: HEIGHT - 2, rx: 2 }));
    const changed = known.data.images.find(([at]) => at === night);
    const lines = [html("b", "", `${day(night)}: ${names[one.letter]}`), html("span", "", `promised ${known.data.texts[known.clause.promised]}`)];
    if (one.text !== null) lines.push(html("span", "", `observed ${known.data.texts[one.text]}${one.all > 1 ? ` (the last of ${one.all} nights)` : ""}`));
    if (changed) lines.push(html("span", "", `image changed to ${changed[1]}`));
    tip.replaceChildren(...lines);
    tip.hidden = false;
    const box = picture.getBoundingClientRect();
    const x = Math.min(Math.max(box.left + (night - from) * cell - tip.offsetWidth / 2, 8), innerWidth - tip.offsetWidth - 8);
    const below = box.bottom + 8 + tip.offsetHeight < innerHeight;
    tip.style.left = `${x}px`;
    tip.style.top = `${below ? box.bottom + 8 : box.top - tip.offsetHeight - 8}px`;
  };
  grid.addEventListener("pointermove", (event) => {
    const picture = /** @type {Element} */ (event.target).closest(".nights svg");
    const row = picture?.closest("tr");
    if (!picture || !row || !rowData.has(row)) { hide(); return; }
    const { from, cell } = view();
    show(row, Math.min(last, from + Math.floor((event.clientX - picture.getBoundingClientRect().left) / cell)));
  });
  grid.addEventListener("pointerleave", hide);
  grid.addEventListener("click", (event) => {
    const row = /** @type {Element} */ (event.target).closest(".nights")?.closest("tr");
    const known = row && rowData.get(row);
    if (known) location.href = known.clause.href;
  });
  const keys = /** @type {HTMLDialogElement} */ (document.getElementById("keys"));
  document.addEventListener("keydown", (event) => {
    if (keys.open) { if (event.key === "?") keys.close(); return; }
    const at = /** @type {HTMLElement} */ (document.activeElement);
    const typing = at?.matches("input, select, textarea");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      document.getElementById("search")?.focus();
      return;
    }
    if (event.key === "?" && !typing) { hide(); keys.showModal(); return; }
    if (event.key === "Escape") { hide(); if (typing) at.blur(); return; }
    const links = /** @type {HTMLElement[]} */ ([...grid.querySelectorAll(".rows:not([hidden]) tbody th a")]);
    const here = links.indexOf(at);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (typing && at.matches("select")) return;
      if (here < 0 && !(typing && event.key === "ArrowDown") && at !== document.body) return;
      event.preventDefault();
      const next = here < 0 ? 0 : Math.min(Math.max(here + (event.key === "ArrowDown" ? 1 : -1), 0), links.length - 1);
      links[next]?.focus({ preventScroll: true });
      // At once, because the tooltip is placed next to it.
      links[next]?.scrollIntoView({ block: "center", behavior: "instant" });
      const row = links[next]?.closest("tr");
      if (row) show(row, cursor ? cursor.night : last);
    } else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && here >= 0) {
      event.preventDefault();
      const row = /** @type {Element} */ (at.closest("tr"));
      const night = (cursor && cursor.row === row ? cursor.night : last + (event.key === "ArrowLeft" ? 1 : 0)) + (event.key === "ArrowLeft" ? -1 : 1);
      show(row, Math.min(Math.max(night, view().from), last));
    }
  });

  // --- begin --------------------------------------------------------------------------------------
  for (const part of parts) {
    part.fold.addEventListener("click", () => {
      part.open = part.rows.hidden;
      void update();
    });
  }
  let typing = 0;
  // Some assistive programs send only the second of the two; browsers send it again when the field is left, and
  // drawing again then would take the focus from the clause that it moved to.
  for (const kind of ["input", "change"]) {
    form.addEventListener(kind, (event) => {
      if (says() === drawn) return;
      clearTimeout(typing);
      typing = setTimeout(() => void update(), event.target === field("q") ? 120 : 0);
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => { readAddress(); void update(); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; void update(); } });
  readAddress();
  void update();
})();

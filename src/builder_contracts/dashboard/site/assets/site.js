// @ts-check
"use strict";

(() => {
  const root = document.documentElement;

  // --- theme -------------------------------------------------------------------------------------
  const themes = ["system", "light", "dark"];
  /** @returns {string} */
  const stored = () => {
    try { return localStorage.getItem("builder-contracts-theme") || "system"; } catch { return "system"; }
  };
  /** @param {string} theme */
  const apply = (theme) => {
    if (theme === "system") delete root.dataset.theme; else root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) { button.textContent = `Theme: ${theme}`; button.hidden = false; }
  };
  apply(stored());
  document.getElementById("theme")?.addEventListener("click", () => {
    const next = themes[(themes.indexOf(stored()) + 1) % themes.length];
    try { localStorage.setItem("builder-contracts-theme", next); } catch { /* a private window keeps nothing */ }
    apply(next);
  });

  // --- decay: evidence also goes stale while nobody rebuilds the site ------------------------------
  const frozen = document.body.hasAttribute("data-frozen");
  const states = ["kept", "broken", "unproven", "waived", "unknown"];
  /** @type {Record<string, string>} */
  const rungNames = {};
  for (const rung of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".legend .rung"))) {
    rungNames[rung.firstChild?.textContent || ""] = rung.title;
  }
  /** @param {number} time 0 for never */
  const over = (time) => !frozen && time > 0 && Date.now() > time;
  /** @param {string} state @param {number} expires */
  const stateNow = (state, expires) => (over(expires) ? "unknown" : state);
  /** @param {string | null} rung @param {number} expires @param {number} until @returns {string | null} */
  const rungNow = (rung, expires, until) => (!rung || over(expires) ? null : over(until) ? "C3" : rung);

  /** @typedef {[expires: number, state: string, rung: string | null, until: number, counts: boolean, clauses: number]} Age */
  /** The present state and rung of a class, computed as ClassReport does. @param {Age[]} ages */
  const tally = (ages) => {
    const counts = Object.fromEntries(states.map((state) => [state, 0]));
    /** @type {Record<string, number>} */
    const rungs = {};
    let lacking = false;
    let limits = 0;
    /** @type {string[]} */
    const shown = [];
    /** @type {string[]} */
    const declared = [];
    for (const [expires, state, rung, until, weighs, clauses] of ages) {
      const now = stateNow(state, expires);
      counts[now] += clauses;
      if (now === "unproven" && !weighs) limits += clauses;
      const reached = rungNow(rung, expires, until);
      if (reached) rungs[reached] = (rungs[reached] || 0) + clauses;
      if (now === "waived" || (now === "unproven" && !weighs) || (now === "kept" && !rung)) continue;
      if (!reached) lacking = true;
      else (weighs ? shown : declared).push(reached);
    }
    const rung = lacking ? undefined : (shown.length ? shown : declared).sort()[0];
    const known = ["broken", "waived", "kept"].filter((state) => counts[state]);
    // A class with clauses that are unknown is not kept, nor one of which its host can show nothing.
    const unproven = counts.unproven > limits || counts.unknown || !known.length;
    const state = !known.length && !counts.unproven ? "unknown" : known[0] !== "broken" && unproven ? "unproven" : known[0];
    return { state, counts, rungs, rung };
  };

  /** @param {Element | null | undefined} place @param {string} state */
  const turn = (place, state) => {
    place?.classList.remove(...states);
    place?.classList.add(state);
    place?.querySelector(".word")?.replaceChildren(state);
    place?.querySelector("use")?.setAttribute("href", `#s-${state}`);
  };
  /** @param {Element | null | undefined} chip @param {string} rung */
  const lower = (chip, rung) => {
    if (!(chip instanceof HTMLElement) || !chip.firstChild) return;
    chip.className = chip.className.replace(/\bC\d\b/, rung);
    chip.title = rungNames[rung];
    chip.firstChild.textContent = rung;
    chip.querySelector(".rung-name")?.replaceChildren(` ${rungNames[rung]}`);
  };

  /** @param {HTMLElement} part A card, or a class of the grid. @returns {boolean} Whether any of it has aged. */
  const decayClass = (part) => {
    /** @type {Age[]} */
    const ages = JSON.parse(part.dataset.ages || "[]");
    if (!ages.some(([expires, , , until]) => over(expires) || over(until))) return false;
    const { state, counts, rungs, rung } = tally(ages);
    if (part.classList.contains("card")) turn(part.querySelector(".status .state"), state);
    turn(part.querySelector(".whole"), state);
    part.classList.remove(...states);
    part.classList.add(state);
    for (const one of /** @type {NodeListOf<HTMLElement>} */ (part.querySelectorAll("[data-count]"))) {
      const count = counts[one.dataset.count || ""];
      one.querySelector("b")?.replaceChildren(String(count));
      one.classList.toggle("zero", !count);
      if (count) one.hidden = false;
    }
    const reached = part.querySelector(".reached");
    const told = Object.keys(rungs).sort();
    const chip = reached?.querySelector(".rung");
    if (rung) lower(chip, rung);
    else if (chip) {
      const none = document.createElement("span");
      none.className = "none";
      none.textContent = "no rung";
      chip.replaceWith(none);
    }
    reached?.querySelector(".rungs")?.replaceChildren(told.map((rung) => `${rungs[rung]} at ${rung}`).join(", "));
    if (!counts.broken) part.querySelector(".new, .old")?.remove();
    for (const clause of /** @type {NodeListOf<HTMLElement>} */ (part.querySelectorAll(".unproven-clauses [data-expires]"))) {
      if (over(Number(clause.dataset.expires))) clause.remove();
    }
    const attention = counts.broken + counts.unproven + counts.unknown;
    part.dataset.attention = String(attention);
    part.querySelector(".attention")?.replaceChildren(attention ? `, ${attention} not kept` : "");
    return true;
  };

  /** @param {ParentNode} place */
  const decay = (place) => {
    if (frozen) return;
    let aged = false;
    for (const chip of /** @type {NodeListOf<HTMLElement>} */ (place.querySelectorAll(".state[data-expires]"))) {
      if (chip.classList.contains("unknown") || !over(Number(chip.dataset.expires))) continue;
      aged = true;
      chip.title = `${chip.querySelector(".word")?.textContent}, but the evidence is stale`;
      turn(chip, "unknown");
    }
    for (const chip of /** @type {NodeListOf<HTMLElement>} */ (place.querySelectorAll("[data-rung]"))) {
      const { rung, expires, until } = chip.dataset;
      const now = rungNow(rung || null, Number(expires), Number(until));
      if (now === rung) continue;
      aged = true;
      if (now) lower(chip, now); else chip.remove();
    }
    for (const part of /** @type {NodeListOf<HTMLElement>} */ (place.querySelectorAll("[data-ages]"))) {
      aged = decayClass(part) || aged;
    }
    for (const section of place.querySelectorAll(".environment")) {
      for (const one of /** @type {NodeListOf<HTMLElement>} */ (section.querySelectorAll(".headline [data-count]"))) {
        const count = section.querySelectorAll(`.card.${one.dataset.count}`).length;
        one.querySelector(".says")?.replaceChildren(`${count} ${count === 1 ? "class" : "classes"} ${one.dataset.count}`);
        one.hidden = !count;
      }
    }
    const banner = document.getElementById("stale");
    if (aged && banner?.hidden) {
      banner.textContent = "This site has not been rebuilt recently; stale evidence is shown as unknown.";
      banner.hidden = false;
    }
  };
  decay(document);
  // A page that stays open, as on a wall screen, goes stale too.
  setInterval(() => decay(document), 60_000);
  Object.assign(window, { builderContractsDecay: decay, builderContractsStateNow: stateNow });

  // --- how long ago ------------------------------------------------------------------------------
  for (const time of document.querySelectorAll("time")) {
    const days = (Date.now() - Date.parse(time.dateTime)) / 864e5;
    if (time.dateTime.includes("T") && days >= 0) {
      time.title = days < 1 ? `${Math.round(days * 24)} h ago` : `${Math.round(days)} days ago`;
    }
  }

  // --- copy a command ----------------------------------------------------------------------------
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("button.copy"))) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling?.textContent || "");
      button.textContent = "Copied";
    });
  }

  // --- read a plot with the pointer --------------------------------------------------------------
  for (const plot of /** @type {NodeListOf<SVGSVGElement>} */ (document.querySelectorAll("svg.plot"))) {
    const [left, right, top, bottom] = (plot.dataset.box || "").split(" ").map(Number);
    const [first, last, highest] = [plot.dataset.first, plot.dataset.last, plot.dataset.top].map(Number);
    const { width, height } = plot.viewBox.baseVal;
    const path = plot.querySelector(".line")?.getAttribute("d") || "";
    const points = [...path.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map((found) => [Number(found[1]), Number(found[2])]);
    const make = (/** @type {string} */ name, /** @type {string} */ kind) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      made.setAttribute("class", kind);
      plot.append(made);
      return made;
    };
    const cross = make("line", "cross");
    const readout = make("text", "readout");
    /** @param {number} value */
    const say = (value) => {
      switch (plot.dataset.unit) {
        case "bytes": return `${(value / 2 ** 20).toFixed(1)} MiB`;
        case "ratio": return `${(value * 100).toFixed(1)}%`;
        case "seconds": return `${Number(value.toPrecision(3))} s`;
        default: return String(Number(value.toPrecision(3)));
      }
    };
    plot.addEventListener("pointermove", (event) => {
      const x = (event.clientX - plot.getBoundingClientRect().left) / plot.getBoundingClientRect().width * width;
      const near = points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
      const value = (height - bottom - near[1]) / (height - top - bottom) * highest;
      const at = new Date(first + (near[0] - left) / (width - left - right) * (last - first)).toISOString().slice(0, 10);
      cross.setAttribute("x1", String(near[0])); cross.setAttribute("x2", String(near[0]));
      cross.setAttribute("y1", String(top)); cross.setAttribute("y2", String(height - bottom));
      readout.textContent = `${at}: ${say(value)}`;
      const late = near[0] > width * 0.7;
      readout.setAttribute("x", String(near[0] + (late ? -8 : 8))); readout.setAttribute("y", String(top + 12));
      readout.setAttribute("text-anchor", late ? "end" : "start");
    });
    plot.addEventListener("pointerleave", () => { readout.textContent = ""; cross.removeAttribute("x1"); cross.setAttribute("y2", cross.getAttribute("y1") || "0"); });
  }
})();

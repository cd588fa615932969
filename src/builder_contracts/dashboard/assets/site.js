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

  // --- decay: evidence also grows old while nobody builds the site anew ------------------------------
  /** @param {ParentNode} place */
  const decay = (place) => {
    if (document.body.hasAttribute("data-frozen")) return;
    let aged = 0;
    for (const state of /** @type {NodeListOf<HTMLElement>} */ (place.querySelectorAll(".state[data-expires]"))) {
      if (state.classList.contains("unknown") || Date.now() <= Number(state.dataset.expires)) continue;
      aged += 1;
      const was = state.querySelector(".word")?.textContent || "";
      state.classList.remove("kept", "broken", "unproven", "waived");
      state.classList.add("unknown");
      state.title = `${was}, but the evidence is too old by now`;
      state.querySelector(".word")?.replaceChildren("unknown");
      state.querySelector("use")?.setAttribute("href", "#s-unknown");
      const card = state.closest("[data-card]");
      card?.classList.remove("kept", "broken", "unproven", "waived");
      card?.classList.add("unknown");
    }
    const banner = document.getElementById("stale");
    if (aged && banner) {
      banner.textContent = "This site was not built for a while: evidence that has become too old since is shown as unknown.";
      banner.hidden = false;
    }
  };
  decay(document);
  Object.assign(window, { builderContractsDecay: decay });

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

// What stands beside the text, or on a small screen in a sheet: guidelines, progress, the learning curve.

import { drawCurve } from "./curve.js";
import { stepsText } from "./rest.js";
import { renderPerson } from "./team.js";
import { plural } from "./text.js";

const at = (id) => document.getElementById(id);
const wideScreen = matchMedia("(min-width: 1100px)");
let isOpen = true;
let drawn = null; // the curve that is shown

/** Show a state. */
export function renderSide(state) {
  const { progress, guidelines } = state;
  renderPerson(state);
  const box = at("guidelines");
  if (box.dataset.shown !== (guidelines ?? "")) {
    box.dataset.shown = guidelines ?? "";
    box.innerHTML = guidelines ?? ""; // sanitized by the server, and the only markup that is taken from there
    for (const link of box.querySelectorAll("a")) {
      link.target = "_blank";
      link.rel = "noopener noreferrer";
    }
  }
  box.hidden = !guidelines;
  at("side-name").textContent = guidelines ? "Guidelines" : "Progress";
  if (progress) {
    const { title, answered, size, bought, budget, unit, counts } = progress;
    at("progress-query").textContent = size ? `${title ? `${title}: ` : ""}${answered.toLocaleString("en")} of ${plural(size, counts ?? "texts")} ${counts === "opinions" ? "given" : "answered"}` : title;
    at("progress-about").textContent = state.about;
    at("progress-budget").textContent =
      budget == null ? `${plural(bought, unit)} so far` : `${bought.toLocaleString("en")} of ${plural(budget, unit)} of the budget`;
  }
  const isBeside = state.phase === "asking" && state.steps;
  at("progress-training").hidden = !isBeside;
  if (isBeside) at("progress-training").textContent = `${state.noted}. ${stepsText(state.steps)}`;
  const unit = progress?.unit ?? "labels", curve = JSON.stringify([state.curve, unit]);
  if (curve !== drawn) at("curve").replaceChildren(drawCurve(state.curve, unit) ?? "");
  drawn = curve;
  at("progress-who").textContent = `${state.annotator} labels ${state.run}`;
  place();
}

function place() {
  const content = at("side-content"), side = at("side"), dialog = at("sheet-dialog");
  const wide = wideScreen.matches;
  const home = wide ? side : dialog;
  if (content.parentElement !== home) {
    home.append(content);
    content.hidden = false;
    if (wide && dialog.open) dialog.close();
  }
  side.hidden = !(wide && isOpen);
  at("side-toggle").setAttribute("aria-expanded", String(wide ? isOpen : dialog.open));
}

/** Hide or show it. */
export function toggleSide() {
  if (wideScreen.matches) isOpen = !isOpen;
  else at("sheet-dialog").showModal();
  place();
}

at("sheet-dialog").addEventListener("close", place);
wideScreen.addEventListener("change", place);

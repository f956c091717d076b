// What stands in the place of the text while none is asked: what happens meanwhile, or how the session has ended.

import { drawCurve } from "./curve.js";
import { plural } from "./text.js";

const at = (id) => document.getElementById(id);
const grouped = (count) => count.toLocaleString("en");

/** Show a state in which no text is asked. */
export function renderRest({ phase, progress, message, noted, steps, then, command, curve, goes_on: goesOn }) {
  const asking = phase === "asking", ofTeam = asking && goesOn !== undefined, size = progress?.size ?? 0;
  const all = size === 1 ? "The only text of this query is answered" : `All ${grouped(size)} texts of this query are answered`;
  document.body.classList.toggle("still", ofTeam ? goesOn !== "" : phase !== "waiting");
  at("message").textContent = asking ? (ofTeam ? message : all) : (steps ? noted : message) || (phase === "ended" ? "The session has ended" : "One moment");
  at("rest-more").textContent = {
    asking: ofTeam ? then : "They are saved. As long as you do not go on, you can still undo and look back.",
    waiting: "This page goes on by itself.",
    ended: `You may close this page. ${then}`,
  }[phase];
  at("command").hidden = !command;
  at("command").firstElementChild.textContent = command;
  at("rest-buttons").hidden = !asking;
  at("close").hidden = ofTeam && goesOn === "";
  at("close").firstChild.textContent = `${goesOn || "Go on"} `;
  at("rest-curve").replaceChildren(drawCurve(curve, progress?.unit ?? "labels") ?? "");
  renderSteps(asking ? null : steps);
}

function renderSteps(steps) {
  at("steps").hidden = !steps;
  if (!steps) return;
  at("steps-bar").max = steps.total;
  at("steps-bar").value = steps.done;
  at("steps-text").textContent = stepsText(steps);
}

/** How far a training is, in words. */
export const stepsText = (steps) => `Step ${grouped(steps.done)} of ${grouped(steps.total)}${timeLeft(steps)}`;

function timeLeft({ done, total, seconds_left: seconds }) {
  if (seconds === null || done === total) return "";
  return `, about ${seconds < 90 ? plural(Math.max(1, Math.round(seconds)), "seconds") : plural(Math.round(seconds / 60), "minutes")} left`;
}

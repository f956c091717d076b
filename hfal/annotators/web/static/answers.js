// Answers in words, as the page shows them.

import { oneLine, plural } from "./text.js";

const INSTEAD = { skip: "skipped", unsure: "not sure", nonsense: "makes no sense" };

/** The answers without a label. */
export const WITHOUT_LABEL = Object.keys(INSTEAD);

/** An answer, on a screen for labels, sets of labels or entities. */
export function spoken(answer, screen) {
  if (answer.label == null) return INSTEAD[answer.action];
  return screen === "label" ? oneLine(answer.label) : described(answer.label, screen);
}

/** The labels of a set, or how many entities there are. */
export function described(parts, screen) {
  if (screen === "label_set") return parts.map(oneLine).join(", ") || "none of them";
  return parts.length ? plural(parts.length, "entities").replace(/^1 entitie$/, "1 entity") : "no entity";
}

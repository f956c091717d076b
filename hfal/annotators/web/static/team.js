// Several people at one page: who labels here, the door where one says so, and how to say that it is somebody else.

import { localSetting } from "./dialogs.js";
import { clip, make, oneLine } from "./text.js";

const NAME = "hfal person";
const at = (id) => document.getElementById(id);
const dialog = at("door-dialog");

let name = null; // who labels here, once the server has asked
let does = false; // whether something was done since the server was told
let isChanging = false; // whether the door may be closed without a name
let asked = null, answer = null; // the name that will be given, and what takes it

for (const event of ["keydown", "pointerdown", "wheel"]) window.addEventListener(event, () => { does = true; }, { passive: true });

/** The name as this tab has it, or else as this browser does. */
function keptName() {
  try {
    return sessionStorage.getItem(NAME) ?? localSetting(NAME);
  } catch {
    return null;
  }
}

function keep(given) {
  name = given;
  localSetting(NAME, given);
  try {
    sessionStorage.setItem(NAME, given);
  } catch {
    // It is known while the page stands.
  }
}

/** The address of a request, with who asks where that was asked; `isPoll`: with whether anything was done. */
export function addressed(path, isPoll = false) {
  if (name === null) return path;
  const done = isPoll && does ? "&does" : "";
  if (isPoll) does = false;
  return `${path}${path.includes("?") ? "&" : "?"}person=${encodeURIComponent(name)}${done}`;
}

/** Take the name that is kept, or ask for one; `door` and `error` are as the server sends those whom it does not know. */
export async function identify(door, error) {
  isChanging = false;
  const kept = name === null ? keptName() : null;
  if (kept !== null) name = kept;
  else keep(await ask(door, name === null ? "" : error));
}

/** Ask who labels here. */
function ask(door, problem) {
  at("run").textContent = door.run;
  at("door-run").textContent = door.run;
  at("door-names").replaceChildren(...door.names.map((each) => {
    const button = make("button", "label", each);
    button.type = "button";
    button.addEventListener("click", () => give(each));
    return button;
  }));
  at("door-names").hidden = !door.names.length;
  at("door-row").hidden = door.names.length > 0;
  at("door-input").maxLength = door.longest;
  at("door-input").value = "";
  at("door-problem").textContent = oneLine(problem.charAt(0).toUpperCase() + problem.slice(1));
  at("door-stay").hidden = !isChanging;
  if (!dialog.open) dialog.showModal();
  (door.names.length ? at("door-names").firstElementChild : at("door-input")).focus();
  asked ??= new Promise((resolve) => { answer = resolve; });
  return asked;
}

function give(given) {
  const take = answer;
  asked = answer = null;
  dialog.close();
  take(given);
}

at("door-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = at("door-input").value.normalize("NFC").trim().replace(/\s+/g, " ");
  if (at("door-row").hidden) return;
  if (given) give(given);
  else at("door-problem").textContent = "Type your name: it stands with each of your answers.";
});
dialog.addEventListener("cancel", (event) => {
  if (!isChanging) event.preventDefault();
});
dialog.addEventListener("close", () => { // a browser lets Escape be prevented only once
  if (answer !== null && !isChanging) dialog.showModal();
});
at("door-stay").addEventListener("click", () => dialog.close());

/** Ask who labels here now; the page begins anew for them, and what the last one had goes to others. */
async function change() {
  isChanging = true;
  let door;
  try {
    const response = await fetch("api/state?person=", { cache: "no-store" });
    ({ door } = await response.json());
  } catch {
    return; // no server, which the page says
  }
  if (!door) return;
  const before = name, given = await ask(door, "");
  if (given === before) return;
  const headers = { "Content-Type": "application/json" };
  await fetch(addressed("api/away"), { method: "POST", headers, body: "{}" }).catch(() => null);
  keep(given);
  location.reload();
}

/** Show who labels. */
export function renderPerson({ is_team: isTeam, annotator }) {
  document.body.classList.toggle("team", Boolean(isTeam));
  for (const id of ["person", "person-short", "side-person"]) at(id).hidden = !isTeam;
  if (!isTeam) return;
  at("person-short").textContent = clip(annotator, 40);
  for (const id of ["person", "side-person"]) at(id).textContent = annotator.length > 12 ? "Not you?" : `Not ${oneLine(annotator)}?`;
}

at("person").addEventListener("click", change);
at("side-person").addEventListener("click", () => {
  at("sheet-dialog").close();
  change();
});

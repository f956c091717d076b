// The page: shows the state that the server hands out, and turns keys, clicks and taps into answers.

import { described, spoken, WITHOUT_LABEL } from "./answers.js";
import { askToLeave, byTouch, CommentDialog, singleKeys } from "./dialogs.js";
import { Drafts } from "./drafts.js";
import { EntityText, isSame } from "./entities.js";
import { keyName, keysOf, MARKING } from "./keys.js";
import { Labels } from "./labels.js";
import { renderRest } from "./rest.js";
import { Server } from "./server.js";
import { renderSide, toggleSide } from "./side.js";
import { clip, keyBox, make, oneLine, percent } from "./text.js";

const HELD_DOWN = 100; // milliseconds; nobody reads a text faster
const DOUBLE = 350; // a second click so soon was meant for the text before
const SCROLLING = new Set([" ", "PageUp", "PageDown", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"]);

const at = (id) => document.getElementById(id);

const drafts = new Drafts();
const labels = new Labels(at("labels"), at("search-row"), (name, event) => guarded(event, () => choose(name)));
const nonsense = at("nonsense"); // which is there for texts that a program has made up
const entityBox = make("div", "text entities");
const entityText = new EntityText(entityBox, (what) => notify(what));
const server = new Server(adopt, showConnection);
const commentDialog = new CommentDialog(drafts, (body) => send("api/comment", body));

let state = null;
let busy = false; // a request is on its way
let shownAt = Infinity; // when the text that is shown had been painted
let shownKey = null; // which text that is
let keys = new Map(); // the key of each label
let names = new Map(); // and the label of each key
let suggestionsShown = null; // as the person has them; null: as the run has them
let lastKey = ["", 0], lastNotice = null, scrolled = 0;
const remembered = new Map(); // what this page has said of each example, to go on with if it is taken back

// -- the state ----------------------------------------------------------------------------------------------------

function adopt(next) {
  const before = state, wasWaiting = before !== null && before.phase !== "asking";
  state = next;
  drafts.open(state);
  if (suggestionsShown === null) suggestionsShown = state.show_suggestions;
  const key = state.phase === "asking" ? JSON.stringify([state.shown?.example, state.shown?.answer, state.turn]) : null;
  const isNew = key !== shownKey;
  shownKey = key;
  if (isNew) shownAt = Infinity;
  const isBeside = !isNew && before?.server === state.server && JSON.stringify(before.shown) === JSON.stringify(state.shown);
  render(isNew, isBeside);
  if (isNew || state.notice !== lastNotice) notify(state.notice || hint());
  lastNotice = state.notice;
  setMode();
  if (isNew) requestAnimationFrame(() => setTimeout(painted));
  if (wasWaiting && state.phase === "asking" && document.hidden) document.title = `● ${document.title}`;
}

function painted() {
  shownAt = performance.now();
  setMode();
}

/** For whoever looks at the page from outside: style sheets, and tests. */
function setMode() {
  const { phase, shown, screen } = state ?? {};
  const asking = busy ? "busy" : shownAt === Infinity ? "loading" : shown === null ? "answered" : "ready";
  document.body.dataset.state = phase === "asking" ? asking : (phase ?? "loading");
  document.body.dataset.screen = screen ?? "";
}

/** What the person has put together for the text that is shown. */
function draft() {
  const { example, answer } = state.shown;
  const kept = drafts.get("answer", example);
  const known = new Set(state.labels); // another run may have had the same name
  if (kept?.every((part) => known.has(part.label ?? part))) return kept;
  if (answer !== null) return answer.label ?? [];
  return suggestion() ?? [];
}

/** What a newcomer needs to know, while nothing else is said. */
function hint() {
  if (state.phase !== "asking" || state.shown === null || state.shown.answer !== null) return "";
  if (state.screen === "entities" && !remembered.size) return MARKING[byTouch() ? "touch" : "keys"];
  return state.progress.answered ? "" : state.about;
}

function suggestion() {
  const held = state.shown?.suggestion ?? null;
  return held !== null && suggestionsShown ? held.label : null;
}

const isDrafted = () => state.screen !== "label";
const alike = (one, other) =>
  one.length === other.length &&
  one.every((part) => other.some((each) => (typeof part === "string" ? part === each : isSame(part, each))));

function isSaid() {
  const { answer } = state.shown;
  return answer?.label != null && alike(draft(), answer.label);
}

// -- what is done -------------------------------------------------------------------------------------------------

async function send(path, body) {
  if (busy || state === null) return false;
  busy = true;
  setMode();
  const { state: next, error } = await server.post(path, body);
  busy = false;
  lastKey = [lastKey[0], performance.now()];
  if (next) adopt(next);
  setMode();
  if (error) notify(`Nothing was recorded: ${error}`);
  return !error;
}

async function say(action, label = null) {
  const shown = state.shown;
  if (shown === null || busy) return;
  const done = await send("api/answer", { turn: state.turn, example: shown.example, action, label, comment: null });
  if (done && action === "label") {
    remembered.set(shown.example, label);
    drafts.drop("answer", shown.example);
    if (state.shown?.example === shown.example) render(false);
  }
}

function choose(name) {
  if (state?.shown == null || busy) return;
  if (state.screen === "label") {
    const { answer } = state.shown;
    if (answer?.label === name) notify(`That is the answer already: ${oneLine(name)}`);
    else say("label", name);
  } else if (state.screen === "label_set") {
    const chosen = new Set(draft());
    const added = !chosen.delete(name);
    if (added) chosen.add(name);
    drafts.set("answer", state.shown.example, state.labels.filter((label) => chosen.has(label)));
    render(false);
    notify(`${added ? "Chosen" : "No longer chosen"}: ${oneLine(name)}`);
  } else markAs(name);
}

function markAs(label) {
  const chosen = entityText.selected;
  if (chosen === null) return notify("Select the words first: with the arrow keys, the mouse, or a tap on the first and the last one.");
  const { first, last, mark } = chosen;
  const others = entityText.overlapping(chosen).filter((each) => each !== mark);
  if (others.length) {
    const words = others.map((each) => `${clip(entityText.spoken(each), 30)} (${oneLine(each.label)})`).join(", ");
    return notify(`Marks may not overlap. Remove this first: ${words}`);
  }
  const kept = draft().filter((each) => mark === null || !isSame(each, mark));
  setMarks([...kept, { first, last, label }]);
  entityText.select(last);
  notify(`Marked: ${clip(entityText.spoken(chosen), 60)} (${oneLine(label)})`);
}

function unmark() {
  if (state?.shown == null || busy) return;
  const chosen = entityText.selected;
  const gone = chosen === null ? [] : chosen.mark ? [chosen.mark] : entityText.overlapping(chosen);
  if (!gone.length) return notify(chosen === null ? "Select a mark first." : "No entity is marked there.");
  setMarks(draft().filter((each) => !gone.some((mark) => isSame(mark, each))));
  notify(`Removed: ${gone.map((mark) => `${clip(entityText.spoken(mark), 30)} (${oneLine(mark.label)})`).join(", ")}`);
}

function setMarks(marks) {
  drafts.set("answer", state.shown.example, marks.map(({ first, last, label }) => ({ first, last, label })).sort((one, other) => one.first - other.first));
  render(false);
  entityText.paint();
}

function accept() {
  if (state?.shown == null || busy) return;
  const { answer } = state.shown;
  if (isDrafted()) {
    if (isSaid()) notify(`That is the answer already: ${spoken(answer, state.screen)}`);
    else say("label", draft());
  } else if (answer === null && suggestion() !== null) say("label", suggestion());
  else notify(answer === null ? "There is no suggestion to accept." : "");
}

function restore() {
  if (state?.shown == null || busy) return;
  if (state.shown.suggestion === null) return notify("There is no suggestion.");
  if (!suggestionsShown) return notify("Suggestions are hidden; h shows them.");
  drafts.set("answer", state.shown.example, state.shown.suggestion.label);
  render(false);
  notify(state.screen === "entities" ? "Marked as the model suggests." : "Chosen as the model suggests.");
}

async function undo() {
  if (state === null || busy) return;
  const done = await send("api/undo", { turn: state.turn });
  const shown = state.shown;
  if (done && isDrafted() && shown !== null && shown.answer === null && remembered.has(shown.example)) {
    drafts.set("answer", shown.example, remembered.get(shown.example));
    render(false);
  }
}

function walk(step) {
  if (state?.phase !== "asking" || busy) return;
  if (step < 0 && state.shown?.back === 0) return notify("This is your first answer.");
  if (step > 0 && !state.shown?.forward) return;
  send("api/show", { step });
}

const returnToOpen = () => { if (state?.shown?.answer != null) send("api/show", { open: true }); };

const close = () => { if (state?.phase === "asking" && state.shown === null) send("api/close", { turn: state.turn }); };

function toggleSuggestions() {
  if (state === null) return;
  suggestionsShown = !suggestionsShown;
  render(false);
  notify(`Suggestions are ${suggestionsShown ? "shown" : "hidden"}.`);
}

// -- drawing ------------------------------------------------------------------------------------------------------

function notify(text) {
  const notice = at("notice");
  const line = text === notice.textContent && text ? `${text}\u00a0` : text; // said again, it is read again
  notice.textContent = line;
  notice.title = text;
}

/** Draw the state; where nothing but what happens beside the text is new, a button that is pressed just now stays. */
function render(isNew, isBeside = false) {
  const asking = state.phase === "asking" && state.shown !== null;
  const { progress } = state;
  at("run").textContent = state.run;
  at("annotator").textContent = state.annotator;
  at("desk").hidden = !asking;
  at("rest").hidden = asking;
  at("back").hidden = at("forward").hidden = !asking;
  at("place").replaceChildren(make("span", "round", state.shown?.answer != null ? "" : (progress?.title ?? "")), make("span", "count", count()));
  at("place").title = state.about;
  at("bar-done").style.width = progress?.size ? `${(100 * progress.answered) / progress.size}%` : "0";
  document.title = asking && progress ? `${progress.answered}/${progress.size} · ${state.run} · hfal` : `${state.run} · hfal`;
  renderSide(state);
  if (!asking) renderRest(state);
  else if (!isBeside) renderDesk(isNew);
}

/** How far one is, or which answer one looks at. */
function count() {
  const { shown, progress } = state;
  if (shown?.answer != null) return `Answer ${shown.back + 1} of ${shown.back + shown.forward}`;
  return progress?.size ? `${progress.answered} of ${progress.size}` : "";
}

function renderDesk(isNew) {
  const { shown, screen } = state;
  keys = keysOf(state.labels, screen, state.guidelines !== null);
  names = new Map([...keys].map(([name, key]) => [key, name]));
  at("side-toggle").querySelector("kbd").hidden = names.has("g");
  labels.show(state.labels, keys, screen === "entities" ? "Types" : "Labels");
  if (isNew) {
    labels.clear();
    renderTexts();
    if (scrolled) at("pane").scrollTop = scrolled = 0; // which lays out the page, so not without need
  }
  const drafted = isDrafted() ? draft() : [];
  const model = suggestion() ?? [];
  if (screen === "entities") entityText.draw(drafted, shown.answer === null ? model : []);
  const chosen = screen === "label" ? [shown.answer?.label].filter((label) => label != null) : screen === "label_set" ? drafted : [];
  labels.mark(new Set(chosen), screen === "label_set", new Set(screen === "entities" ? [] : [model].flat()));
  if (shown.synthesized) at("unsure").after(nonsense);
  else nonsense.remove();
  for (const action of WITHOUT_LABEL) at(action)?.classList.toggle("chosen", shown.answer?.action === action);
  at("unmark").hidden = screen !== "entities";
  setUnusable(at("back"), !shown.back);
  setUnusable(at("forward"), !shown.forward);
  at("looking").hidden = shown.answer === null;
  if (shown.answer !== null) at("looking-text").replaceChildren(make("span", "quiet", "Your answer:"), " ", make("strong", "", clip(spoken(shown.answer, screen), 120)));
  at("comment-line").hidden = !shown.comment;
  at("comment-text").replaceChildren(make("span", "", shown.comment ?? ""));
  renderProposal(drafted);
}

function setUnusable(button, is) {
  if (is) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
}

function renderTexts() {
  const { shown, screen } = state;
  const beside = at("beside");
  beside.hidden = !shown.beside.length;
  beside.replaceChildren(...shown.beside.flatMap(({ name, value }) => {
    const group = make("div");
    const term = make("dt", "", name), cell = make("dd", "", value);
    cell.dir = "auto";
    group.append(term, cell);
    return [group];
  }));
  const several = shown.texts.length > 1;
  at("texts").setAttribute("aria-live", screen === "entities" ? "off" : "polite");
  at("texts").replaceChildren(...shown.texts.flatMap(({ name, text, words }) => {
    const box = words ? entityBox : make("div", "text", text);
    box.dir = "auto";
    if (words) entityText.show(text, words, state.labels);
    return several ? [make("h2", "", name), box] : [box];
  }));
  at("pane").setAttribute("aria-label", screen === "entities" ? "Text; arrow keys go from word to word, with Shift they take in more" : "Text");
}

/** What Enter does, and what the model suggests. */
function renderProposal(drafted) {
  const { suggestion: held, answer } = state.shown;
  const confidence = held?.confidence == null ? "" : percent(held.confidence);
  const button = at("accept"), again = at("restore"), toggle = at("suggestions");
  const known = held !== null && suggestionsShown;
  let what, from, usable;
  if (isDrafted()) {
    const is = known && alike(drafted, held.label);
    usable = !isSaid();
    what = `${answer === null ? "Save" : usable ? "Change to" : "Saved"}: ${clip(described(drafted, state.screen), 80)}`;
    from = is ? `${state.settles ? "as it holds so far" : "as suggested"}${confidence && `, ${confidence}`}` : "";
    again.hidden = !known;
    again.classList.toggle("away", is);
  } else {
    usable = answer === null;
    [what, from] = known ? [held.label, `${state.settles ? "Holds so far" : "Suggested"}${confidence && `, ${confidence}`}`] : ["", ""];
    again.hidden = true;
  }
  button.hidden = !what;
  setUnusable(button, !usable);
  const parts = [make("span", "name", what), make("span", "from", from)];
  button.replaceChildren(...(isDrafted() ? parts : parts.reverse()), ...(usable ? [keyBox("Enter")] : []));
  toggle.hidden = held === null;
  const toggled = suggestionsShown ? [make("span", "", "Hide"), make("span", "unseen", "the suggestion")] : [make("span", "", "Show suggestion")];
  toggle.replaceChildren(...toggled, keyBox("h"));
}

function showConnection(lost) {
  at("connection").hidden = lost === null;
  if (lost === null) return;
  at("connection-text").textContent = lost.refused
    ? `${lost.refused} (next attempt in ${lost.seconds} s)`
    : lost.sending
      ? `No response. What you did is kept, and sent again in ${lost.seconds} s. If the command has ended, start it again.`
      : `No connection; next attempt in ${lost.seconds} s. What you answered is saved. If the command has ended, start it again.`;
}

// -- keys ---------------------------------------------------------------------------------------------------------

function commandOf(key, event) {
  const entities = state.screen === "entities";
  if (names.has(key)) return () => choose(names.get(key));
  if (entities && (key.startsWith("Arrow") || key === "Home" || key === "End")) return () => entityText.move(key, event.shiftKey);
  return {
    Enter: accept,
    s: () => say("skip"),
    n: () => say("unsure"),
    ...(state.shown.synthesized ? { "-": () => say("nonsense") } : {}),
    u: undo,
    c: editComment,
    h: toggleSuggestions,
    g: toggleSide,
    q: leave,
    "?": showHelp,
    ",": () => walk(-1),
    ".": () => walk(1),
    "/": () => labels.search() || notify("All of them are in sight."),
    Escape: returnToOpen,
    " ": () => scroll(event.shiftKey ? -0.9 : 0.9),
    PageDown: () => scroll(0.9),
    PageUp: () => scroll(-0.9),
    ...(entities ? { Backspace: unmark, Delete: unmark, x: unmark } : {
      ArrowLeft: () => walk(-1),
      ArrowRight: () => walk(1),
      ArrowDown: () => scroll(0, 48),
      ArrowUp: () => scroll(0, -48),
      Home: () => scroll(-1e6),
      End: () => scroll(1e6),
    }),
    ...(isDrafted() ? { r: restore } : {}),
  }[key];
}

function scroll(pages, pixels = 0) {
  const pane = at("pane");
  pane.scrollTop += pages * pane.clientHeight + pixels;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.metaKey) return;
  if ((event.ctrlKey || event.altKey) && !event.getModifierState("AltGraph")) return;
  const { target } = event;
  if (target.closest("dialog")) return;
  if (target.matches("input, textarea")) return;
  if (state === null || (target.matches("button, a") && state.shown === null && (event.key === "Enter" || event.key === " "))) return;
  if (state.shown === null) return outside(event);
  const key = keyName(event, (each) => names.has(each) || commandOf(each, event) !== undefined);
  if (target.matches("button, a") && (key === "Enter" || key === " ")) {
    if (event.repeat) event.preventDefault(); // or it would press the button again and again
    return;
  }
  if (key === "Tab") {
    const inText = target === document.body || target === at("pane");
    if (state.screen === "entities" && inText && entityText.nextMark(event.shiftKey ? -1 : 1)) event.preventDefault();
    return;
  }
  if (key.length === 1 && !singleKeys.on && key !== " ") return;
  const command = commandOf(key, event);
  if (command === undefined) {
    if (key.length === 1) notify(`“${oneLine(key)}” is no key here; ? shows them all.`);
    return;
  }
  event.preventDefault();
  press(key, event, command);
});

function press(key, event, command) {
  const scrolls = SCROLLING.has(key) && !(state.screen !== "entities" && (key === "ArrowLeft" || key === "ArrowRight"));
  const [last, since] = lastKey;
  // A key that was pressed before the text could be seen was not meant for it.
  if (!scrolls && (busy || event.timeStamp < shownAt)) return;
  if (!scrolls && (event.repeat || (key === last && event.timeStamp - since < HELD_DOWN))) {
    lastKey = [key, event.timeStamp];
    return notify(`${event.repeat ? "Held down" : "Pressed twice at once"}, “${oneLine(key)}” counts once.`);
  }
  lastKey = [key, scrolls ? 0 : -Infinity];
  command();
}

/** Keys while no text is shown. */
function outside(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key.length === 1 && !singleKeys.on) return;
  const atEnd = { Enter: close, u: undo, ",": () => walk(-1), ArrowLeft: () => walk(-1) };
  const command = { "?": showHelp, q: leave, g: toggleSide, ...(state.phase === "asking" ? atEnd : {}) }[key];
  if (command === undefined && key.length === 1 && state.phase === "waiting") at("rest-more").textContent = "No text is shown now; your keys answer the next one.";
  if (command === undefined || state.phase === "ended") return;
  event.preventDefault();
  if (state.phase === "asking") press(key, event, command);
  else if (!event.repeat) command();
}

/** Do what a click asks for, unless it was meant for the text before. */
function guarded(event, act) {
  const byPointer = event.type === "click" && event.detail > 0;
  if (byPointer) document.activeElement?.blur();
  if (busy || (byPointer && performance.now() - shownAt < DOUBLE)) return;
  act();
}

// -- buttons ------------------------------------------------------------------------------------------------------

function editComment() {
  if (state?.shown != null && !busy) commentDialog.open(state);
}

const showHelp = () => singleKeys.show(state);

function leave() {
  const { shown, phase } = state ?? {};
  if (busy || state === null || phase === "ended") return;
  const isDraft = shown !== null && drafts.get("answer", shown.example) !== undefined && !isSaid();
  askToLeave(isDraft ? described(draft(), state.screen) : "", phase === "waiting", () => send("api/leave", {}));
}

for (const [id, act] of Object.entries({
  accept, restore, undo, unmark, close, "rest-undo": undo, "rest-back": () => walk(-1), ...Object.fromEntries(WITHOUT_LABEL.map((action) => [action, () => say(action)])),
  comment: editComment, suggestions: toggleSuggestions, back: () => walk(-1), forward: () => walk(1), return: returnToOpen,
})) {
  const records = ["accept", "undo", ...WITHOUT_LABEL, "close", "rest-undo"].includes(id);
  at(id).addEventListener("click", (event) => {
    if (records) return guarded(event, act);
    if (event.detail > 0) document.activeElement?.blur();
    act();
  });
}
for (const [id, act] of Object.entries({ help: showHelp, leave, "side-toggle": toggleSide })) {
  at(id).addEventListener("click", (event) => {
    if (event.detail > 0) document.activeElement?.blur();
    if (state !== null) act();
  });
}
for (const [id, act] of Object.entries({ "side-help": showHelp, "side-leave": leave })) {
  at(id).addEventListener("click", () => {
    at("sheet-dialog").close();
    act();
  });
}
at("retry").addEventListener("click", () => server.retryNow());
at("pane").addEventListener("scroll", () => { scrolled = 1; });
setMode();
server.listen();

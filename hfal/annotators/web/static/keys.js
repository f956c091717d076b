// Which key means what: the keys of the terminal, where they are free.

/** From as many labels on they are no longer seen at a glance, and there is a search. */
export const SEARCH_FROM = 10;

const LETTERS = {
  label: "123456789abdefgijklmoprtvwxyz",
  label_set: "123456789abdefgijklmoptvwxyz",
  entities: "123456789abdefgijklmoptvwyz",
};

/**
 * The key of each name that has one. A digit has its own key; the others get those that are left, in their order.
 * "g" shows the guidelines where there are any.
 */
export function keysOf(names, screen, hasGuidelines) {
  const own = new Set(names.filter((name) => /^[0-9]$/.test(name)));
  const left = [...LETTERS[screen]].filter((key) => !own.has(key) && !(hasGuidelines && key === "g"));
  const found = new Map();
  for (const name of names) {
    const key = own.has(name) ? name : left.shift();
    if (key !== undefined) found.set(name, key);
  }
  return found;
}

/**
 * The name of the key that was pressed. Where the keyboard writes another script, a letter is the one that stands at
 * its place on a Latin keyboard; and so is a digit where the digits need Shift.
 */
export function keyName(event, isBound) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key.length !== 1 || isBound(key)) return key;
  const place = /^(?:Key([A-Z])|(?:Digit|Numpad)([0-9]))$/.exec(event.code);
  if (place === null) return key;
  if (place[1] && !/^[\x20-\x7e]$/.test(key)) return place[1].toLowerCase();
  return place[2] && !event.shiftKey ? place[2] : key;
}

const MADE_UP = "It makes no sense: a program has made it up";

/** All keys of a screen with these labels, as pairs of keys and what they do; `isMadeUp`: of a text that a program has made up. */
export function helpOf(names, screen, hasGuidelines, isMadeUp) {
  const taken = new Set(keysOf(names, screen, hasGuidelines).values());
  const walking = screen === "entities" ? [", .", "Look back at your answers, and forward again"] : ["← →  or  , .", "Look back at your answers, and forward again"];
  const first = {
    label: [
      ["1–9, a–z", "The label beside the key; when you look back, it changes the answer"],
      ["Enter", "Accept the suggestion, while it is shown"],
    ],
    label_set: [
      ["1–9, a–z", "Choose the label beside the key, or take it back"],
      ["Enter", "Save what is chosen; with nothing chosen: none of the labels"],
      ["r", "Choose what the model suggests, as it was"],
    ],
    entities: [
      ["← →  ↑ ↓", "Go from word to word, from line to line"],
      ["Shift + ← →", "Take in more words"],
      ["1–9, a–z", "Mark these words as the type beside the key"],
      ["Tab, Shift + Tab", "Go from mark to mark"],
      ["Backspace, x", "Remove the mark"],
      ["Enter", "Save what is marked; with nothing marked: there is no entity"],
      ["r", "Mark what the model suggests, as it was"],
    ],
  }[screen];
  return [
    ...first,
    ...(names.length < SEARCH_FROM ? [] : [["/", "Search in the names"]]),
    ["s", "Skip: it cannot be labeled; never ask again"],
    ["n", "Not sure: you cannot tell"],
    ...(isMadeUp ? [["-", MADE_UP]] : []),
    ["u", "Undo your last answer, then the one before it, back to your first"],
    walking,
    ["Esc", "To the text that waits for an answer"],
    ["c", "Comment on the text"],
    ["h", "Hide or show what the model suggests"],
    ...(taken.has("g") ? [] : [["g", hasGuidelines ? "Guidelines and progress" : "Progress"]]),
    ["Space, Page Up, Page Down", "Move in a long text"],
    ["q", "Leave; everything is saved already"],
  ];
}

/** What a finger does, as pairs of what is tapped and what that means. */
export function touchHelpOf(screen, isMadeUp) {
  return [
    ...{
      label: [["A label", "It is saved, and the next text comes; when you look back, it changes the answer"]],
      label_set: [["Labels", "Choose them, or take them back, then Save; with none chosen: none of the labels"]],
      entities: [
        ["Words", "Tap the first word, then the last one, then a type; then Save"],
        ["A mark", "Tap it to give it another type, or to remove it"],
      ],
    }[screen],
    ["Skip", "It cannot be labeled; never ask again"],
    ["Not sure", "You cannot tell"],
    ...(isMadeUp ? [["Makes no sense", MADE_UP]] : []),
    ["Undo", "Your last answer, then the one before it, back to your first"],
    ["‹ ›", "Look back at your answers, and forward again"],
    ["Leave", "Everything is saved already"],
  ];
}

/** How entities are marked, in one line. */
export const MARKING = {
  keys: "Select words with the mouse, or by arrow keys with Shift; then choose their type.",
  touch: "Tap the first word, the last one, then a type.",
};

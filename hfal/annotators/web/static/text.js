// Text as it is, with what cannot be seen spelled out, and never as markup.

// Flags that are made of tag characters are left alone; so are joiners and variation selectors, but for those behind
// ASCII, where no script needs them. Control, format, private and unassigned characters, lone surrogates, and marks beyond the eighth on one
// letter are spelled out, as in the terminal.
const PIECES = new RegExp(
  "\\u{1F3F4}[\\u{E0020}-\\u{E007E}]+\\u{E007F}" +
    "|(\\r(?!\\n)|[\\0-\\x08\\v\\f\\x0E-\\x1F\\x7F-\\x9F\\u034F\\u115F\\u1160\\u17B4\\u17B5\\u2028\\u2029\\u2800\\u3164\\uFFA0]" +
    "|(?<![^\\0-\\x7F])[\\u200C\\u200D]|(?<![^\\0-\\x7F]|[0-9#*])[\\u180B-\\u180D\\u180F\\uFE00-\\uFE0F\\u{E0100}-\\u{E01EF}]" +
    "|(?![\\u200C\\u200D\\u0600-\\u0605\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u{110BD}\\u{110CD}])\\p{Cf}" +
    "|\\p{Co}|\\p{Cn}|\\p{Cs}|(?<=\\p{M}{8})\\p{M})",
  "gu",
);

/** Write a character as its code point, "U+202E". */
export function spell(character) {
  return "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
}

/** Append a text to an element, invisible characters as small boxes with their code points. */
export function appendText(element, text) {
  let done = 0;
  for (const match of text.matchAll(PIECES)) {
    if (match[1] === undefined) continue;
    element.append(text.slice(done, match.index).replaceAll("\r\n", "\n"));
    const box = document.createElement("span");
    box.className = "code";
    box.textContent = spell(match[1]);
    element.append(box);
    done = match.index + match[1].length;
  }
  element.append(text.slice(done).replaceAll("\r\n", "\n"));
}

/** A text on one line with every invisible character spelled out, for notices and names. */
export function oneLine(text) {
  return text.replace(PIECES, (all, hidden) => (hidden === undefined ? all : `<${spell(hidden)}>`)).replace(/\s+/g, " ");
}

/** Cut a text behind so many characters, never within one that a person sees as one. */
export function clip(text, most) {
  const line = oneLine(text);
  if (line.length <= most) return line;
  let cut = "";
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(line)) {
    if (cut.length + segment.length > most) break;
    cut += segment;
  }
  return cut + "…";
}

/** A count with its noun, which is given in the plural. */
export function plural(count, noun) {
  return `${count.toLocaleString("en")} ${count === 1 ? noun.replace(/s$/, "") : noun}`;
}

/** A share from 0 to 1; what is nearly all, or nearly nothing, is not rounded to it. */
export function percent(share) {
  const rounded = Math.round(100 * share);
  return `${share === 0 || share === 1 ? rounded : Math.min(Math.max(rounded, 1), 99)}%`;
}

/** Make an element with a class and a text. */
export function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) appendText(element, text);
  return element;
}

/** The key of a button, which is not a part of the button's name. */
export function keyBox(key) {
  const box = make("kbd", "", key);
  box.setAttribute("aria-hidden", "true");
  return box;
}

/** A text for comparing: without case and accents. */
export function folded(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase().trim();
}

// A text in words, some of which are marked as entities. Marks are {first, last, label}, by words from 0, inclusive.

import { appendText, clip, make } from "./text.js";

/** Whether two marks are the same. */
export const isSame = (one, other) => one.first === other.first && one.last === other.last && one.label === other.label;

/** The words of a text, to be looked at, selected and marked. */
export class EntityText {
  /**
   * @param box      Where the text stands.
   * @param onSelect Called with a sentence that says what is selected.
   */
  constructor(box, onSelect) {
    this.box = box;
    this.onSelect = onSelect;
    this.text = "";
    this.places = []; // [start, end] of each word
    this.words = []; // their elements
    this.marks = [];
    this.anchor = this.head = null; // the words where the selection begins, and where it is extended
    this.isWide = false; // whether it was extended: else it is a place, and means the mark there
    this.tapped = null; // the first of two words that are tapped
    this.pointer = "";
    box.addEventListener("pointerdown", (event) => this.#down(event));
    box.addEventListener("pointermove", (event) => this.#move(event));
    box.addEventListener("click", (event) => this.#tap(event));
    const up = () => (this.dragging = false);
    window.addEventListener("pointerup", up);
    window.addEventListener("pointercancel", up);
    document.addEventListener("copy", (event) => {
      if (this.head === null || !this.box.isConnected || String(document.getSelection())) return;
      event.clipboardData.setData("text/plain", this.spoken(this.#range()));
      event.preventDefault();
    });
  }

  /** Show a text: its words by their places, its marks, and the types by their numbers. */
  show(text, places, types) {
    this.text = text;
    this.places = places;
    this.types = types;
    this.select(null);
    this.tapped = null;
    this.words = places.map(([start, end], number) => {
      const word = make("span", "word", text.slice(start, end));
      if (!text.slice(start, end).trim()) word.append(make("span", "code", start === end ? "empty" : "blank"));
      word.dataset.word = number;
      return word;
    });
    this.gaps = places.map(([start], number) => make("span", "gap", text.slice(number ? places[number - 1][1] : 0, start)));
    this.marks = null;
  }

  /** Draw the marks; those in `suggested` are nobody's but the model's. */
  draw(marks, suggested) {
    const now = JSON.stringify([marks, suggested]);
    if (this.marks !== null && now === this.drawn) return;
    this.drawn = now;
    this.marks = marks;
    const opened = new Map(marks.map((mark) => [mark.first, mark]));
    const pieces = document.createDocumentFragment();
    let into = pieces, open = null;
    this.words.forEach((word, number) => {
      into.append(this.gaps[number]);
      if (opened.has(number)) {
        open = opened.get(number);
        const place = this.types.indexOf(open.label);
        into = make("mark", `t${(place < 0 ? 0 : place) % 8}`);
        if (suggested.some((mark) => isSame(mark, open))) into.classList.add("suggested");
        pieces.append(into);
      }
      into.append(word);
      if (open?.last === number) {
        into.append(make("span", "type", open.label));
        into = pieces;
        open = null;
      }
    });
    appendText(pieces, this.text.slice(this.places.at(-1)?.[1] ?? 0));
    this.box.replaceChildren(pieces);
  }

  // -- what is selected -----------------------------------------------------------------------------------------

  #range() {
    return { first: Math.min(this.anchor, this.head), last: Math.max(this.anchor, this.head) };
  }

  /** What a key is about: {first, last, mark}; the mark that is there, or null; null where nothing is selected. */
  get selected() {
    if (this.head === null) return null;
    const range = this.#range();
    const mark = this.marks.find((each) => each.first <= range.first && range.last <= each.last) ?? null;
    if (mark !== null && !this.isWide) return { first: mark.first, last: mark.last, mark };
    return { ...range, mark: mark !== null && mark.first === range.first && mark.last === range.last ? mark : null };
  }

  /** The marks that have words of this range. */
  overlapping(range) {
    return this.marks.filter((mark) => mark.first <= range.last && range.first <= mark.last);
  }

  /** The words of a range as they stand in the text. */
  spoken({ first, last }) {
    return this.text.slice(this.places[first][0], this.places[last][1]);
  }

  select(head, anchor = head, isWide = anchor !== head) {
    this.head = head;
    this.anchor = anchor;
    this.isWide = isWide;
    this.paint();
    if (head !== null) this.words[head].scrollIntoView({ block: "nearest" });
  }

  /** Show what is selected. */
  paint() {
    const chosen = this.marks === null ? null : this.selected;
    this.words.forEach((word, number) => {
      word.classList.toggle("selected", chosen !== null && chosen.first <= number && number <= chosen.last);
      word.classList.toggle("head", number === this.head);
      this.gaps[number].classList.toggle("selected", chosen !== null && chosen.first < number && number <= chosen.last);
    });
    if (chosen === null) return;
    this.onSelect(chosen.mark ? `${chosen.mark.label}: ${clip(this.spoken(chosen), 60)}` : clip(this.spoken(chosen), 60));
  }

  /** Go to another word, or take in more words. */
  move(key, extends_) {
    this.tapped = null;
    if (!this.words.length) return;
    const last = this.words.length - 1;
    let to;
    if (key === "Home" || key === "End") to = key === "Home" ? 0 : last;
    else if (this.head === null) to = key === "ArrowLeft" || key === "ArrowUp" ? last : 0;
    else if (key === "ArrowUp" || key === "ArrowDown") to = this.#inNextLine(key === "ArrowDown" ? 1 : -1);
    else {
      const forward = (key === "ArrowRight") !== this.#isRightToLeft();
      // From a mark one goes to the word beside it, unless words are taken in.
      const from = extends_ || !this.selected.mark ? this.head : forward ? this.selected.last : this.selected.first;
      to = Math.min(Math.max(from + (forward ? 1 : -1), 0), last);
    }
    if (extends_ && this.anchor !== null) this.select(to, this.anchor, true);
    else this.select(to);
  }

  /** Go to the mark before or behind; whether there is one. */
  nextMark(step) {
    const marks = [...this.marks].sort((one, other) => one.first - other.first);
    const at = this.head === null ? (step > 0 ? -1 : Infinity) : step > 0 ? this.selected.last : this.selected.first;
    const next = step > 0 ? marks.find((mark) => mark.first > at) : marks.findLast((mark) => mark.last < at);
    if (next === undefined) return false;
    this.select(next.first);
    return true;
  }

  #isRightToLeft() {
    const here = this.words[this.head].getBoundingClientRect();
    for (const [before, after] of [[this.head, this.head + 1], [this.head - 1, this.head]]) {
      if (!this.words[before] || !this.words[after]) continue;
      const one = this.words[before].getBoundingClientRect(), other = this.words[after].getBoundingClientRect();
      if (Math.abs(one.top - other.top) < here.height / 2) return other.left < one.left;
    }
    return getComputedStyle(this.box).direction === "rtl";
  }

  #inNextLine(step) {
    const middle = (rect) => (rect.left + rect.right) / 2;
    const here = this.words[this.head].getBoundingClientRect();
    let best = null, line = null, distance = Infinity;
    for (let number = this.head + step; number >= 0 && number < this.words.length; number += step) {
      const rect = this.words[number].getBoundingClientRect();
      if (Math.abs(rect.top - here.top) < here.height / 2) continue;
      if (line === null) line = rect.top;
      if (Math.abs(rect.top - line) > here.height / 2) break;
      if (Math.abs(middle(rect) - middle(here)) < distance) [best, distance] = [number, Math.abs(middle(rect) - middle(here))];
    }
    return best ?? (step > 0 ? this.words.length - 1 : 0);
  }

  // -- mouse and touch ------------------------------------------------------------------------------------------

  #wordAt(event) {
    const element = event.target.closest?.(".word, .type");
    if (!element || !this.box.contains(element)) return null;
    const word = element.matches(".type") ? element.parentElement.querySelector(".word") : element;
    return Number(word.dataset.word);
  }

  #down(event) {
    this.pointer = event.pointerType;
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    const word = this.#wordAt(event);
    this.dragging = word !== null;
    this.tapped = null;
    if (word === null) this.select(null);
    else if (event.shiftKey && this.anchor !== null) this.select(word, this.anchor, true);
    else this.select(word);
    event.preventDefault(); // no native selection beside ours
    document.activeElement?.blur?.();
  }

  #move(event) {
    if (!this.dragging || event.pointerType !== "mouse") return;
    if (!(event.buttons & 1)) {
      this.dragging = false;
      return;
    }
    const word = this.#wordAt(event);
    if (word !== null && word !== this.head) this.select(word, this.anchor, true);
  }

  /** A finger taps the first word, then the last one; a mark is tapped once. */
  #tap(event) {
    if (this.pointer === "mouse" || this.pointer === "") return;
    const word = this.#wordAt(event);
    if (word === null) {
      this.tapped = null;
      this.select(null);
    } else if (this.overlapping({ first: word, last: word }).length) {
      this.tapped = null;
      this.select(word);
    } else if (this.tapped !== null && this.tapped !== word) {
      this.select(word, this.tapped);
      this.tapped = null;
    } else {
      this.select(word);
      this.tapped = word;
    }
  }
}

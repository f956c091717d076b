// The buttons of the labels, or of the entity types, and the search in them.

import { SEARCH_FROM } from "./keys.js";
import { clip, folded, keyBox, make } from "./text.js";

/** The buttons in `box`; `onChoose` is called with a name and the event that chose it. */
export class Labels {
  constructor(box, searchRow, onChoose) {
    this.box = box;
    this.row = searchRow;
    this.input = searchRow.querySelector("input");
    this.matches = searchRow.querySelector("[role=status]");
    this.onChoose = onChoose;
    this.buttons = new Map();
    this.picked = null; // what Enter would choose
    this.shown = "";
    this.input.addEventListener("input", () => this.#filter());
    this.input.addEventListener("keydown", (event) => this.#type(event));
    box.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.onChoose(button.value, event);
    });
  }

  /** Make the buttons, if these are not the names that are there. */
  show(names, keys, noun) {
    const now = JSON.stringify([names, [...keys], noun]);
    if (now === this.shown) return;
    this.shown = now;
    this.buttons.clear();
    this.box.replaceChildren();
    this.box.setAttribute("aria-label", noun);
    names.forEach((name, place) => {
      const button = make("button", `label t${place % 8}`);
      button.type = "button";
      button.value = name;
      button.append(make("span", "name", name));
      const key = keys.get(name);
      if (key !== undefined) {
        button.append(keyBox(key));
        button.setAttribute("aria-keyshortcuts", key);
      }
      this.buttons.set(name, button);
      this.box.append(button);
    });
    this.box.classList.toggle("many", names.length >= SEARCH_FROM);
    this.row.hidden = names.length < SEARCH_FROM;
    const hint = matchMedia("(hover: hover)").matches ? "   /" : "";
    this.input.placeholder = `Search in ${names.length} ${noun.toLowerCase()}${hint}`;
    this.clear();
  }

  /** Show which labels are chosen (`toggles`), or which one is the answer, and which the model suggests. */
  mark(chosen, toggles, suggested) {
    for (const [name, button] of this.buttons) {
      const isChosen = chosen.has(name);
      button.classList.toggle("chosen", isChosen);
      button.classList.toggle("suggested", suggested.has(name));
      if (toggles) button.setAttribute("aria-pressed", String(isChosen));
      else button.removeAttribute("aria-pressed");
      if (!toggles && isChosen) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  search() {
    if (this.row.hidden) return false;
    this.input.focus();
    this.input.select();
    return true;
  }

  clear() {
    if (this.input.value === "" && this.picked === null) return;
    this.input.value = "";
    this.#filter();
  }

  #found() {
    return [...this.buttons.values()].filter((button) => !button.hidden);
  }

  #filter() {
    const wanted = folded(this.input.value);
    for (const [name, button] of this.buttons) button.hidden = !folded(name).includes(wanted);
    const found = this.#found();
    const exact = found.find((button) => folded(button.value) === wanted);
    this.#pick(wanted ? (exact ?? found[0] ?? null) : null);
    this.#say(wanted, found.length);
  }

  #say(wanted, count) {
    this.matches.textContent = !wanted ? "" : count === 0 ? "No match" : `${count} found; Enter: ${clip(this.picked.value, 40)}`;
  }

  #pick(button) {
    this.picked?.classList.remove("picked");
    this.picked = button;
    button?.classList.add("picked");
    button?.scrollIntoView({ block: "nearest" });
  }

  #type(event) {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      this.clear();
      this.input.blur();
    } else if (event.key === "Enter") {
      if (this.picked === null || event.repeat) return;
      const name = this.picked.value;
      this.clear();
      this.input.blur();
      this.onChoose(name, event);
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && this.picked !== null) {
      const found = this.#found();
      const place = found.indexOf(this.picked) + (event.key === "ArrowDown" ? 1 : -1);
      this.#pick(found[Math.min(Math.max(place, 0), found.length - 1)]);
      this.#say("any", found.length);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

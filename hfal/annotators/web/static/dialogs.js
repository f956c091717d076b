// What is asked in a window of its own: a comment, whether to leave; and the list of all keys.

import { helpOf, touchHelpOf } from "./keys.js";
import { make } from "./text.js";

const at = (id) => document.getElementById(id);

/** Read a setting of this browser, or write it; null where there is none. */
export function localSetting(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch {
    return null; // a browser without storage
  }
}

/** Ask for a comment. Until `save` says that it is there, what was typed is kept as a draft. */
export class CommentDialog {
  constructor(drafts, save) {
    this.drafts = drafts;
    this.save = save;
    this.of = null; // the text that it is on
    this.dialog = at("comment-dialog");
    this.input = at("comment-input");
    this.input.addEventListener("input", () => drafts.set("comment", this.of.example, this.input.value));
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!event.repeat) this.#end();
    });
    this.dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#end();
    });
    at("comment-cancel").addEventListener("click", () => this.dialog.requestClose?.() ?? this.#cancel());
    this.dialog.addEventListener("cancel", () => drafts.drop("comment", this.of.example));
  }

  open({ turn, shown }) {
    this.of = { turn, example: shown.example };
    this.input.value = this.drafts.get("comment", shown.example) ?? shown.comment ?? "";
    this.dialog.showModal();
    this.input.focus();
  }

  #cancel() {
    this.drafts.drop("comment", this.of.example);
    this.dialog.close();
  }

  async #end() {
    const { of } = this, comment = this.input.value;
    this.dialog.close();
    // The text may have been answered elsewhere meanwhile: then the server says so, and what was typed stays a draft.
    if (await this.save({ ...of, comment })) this.drafts.drop("comment", of.example);
  }
}

/** Whether there is a finger, and no mouse. */
export const byTouch = () => matchMedia("(hover: none) and (pointer: coarse)").matches;

/** Whether single keys answer, and the list of them. */
export const singleKeys = {
  on: localSetting("hfal keys") !== "off",

  show({ labels, screen, guidelines, shown }) {
    const isTouch = byTouch();
    const rows = isTouch ? touchHelpOf(screen, shown?.synthesized) : helpOf(labels, screen, guidelines !== null, shown?.synthesized);
    const box = at("help-keys");
    box.replaceChildren();
    for (const [name, what] of rows) {
      const term = make("dt");
      term.append(make(isTouch ? "strong" : "kbd", "", name));
      box.append(term, make("dd", "", what));
    }
    at("help-title").textContent = isTouch ? "Help" : "Keys";
    at("help-check").hidden = isTouch;
    at("keys-on").checked = this.on;
    at("help-dialog").showModal();
    at("help-dialog").scrollTop = 0;
  },
};

at("keys-on").addEventListener("change", (event) => {
  singleKeys.on = event.target.checked;
  localSetting("hfal keys", singleKeys.on ? "on" : "off");
});
at("help-dialog").addEventListener("keydown", (event) => {
  if (event.key === "?" && !event.repeat) at("help-dialog").close();
});

/** Ask whether to leave, and say what is `unsaved` and whether the command is busy; `leave` is called if so. */
export function askToLeave(unsaved, isBusy, leave) {
  const dialog = at("leave-dialog");
  const saved = unsaved ? `What you have put together for this text is not saved: ${unsaved}. All answers before it are.` : "Everything that you answered is saved.";
  const ends = isBusy ? "The command that serves this page ends when it has done what it does now" : "The command that serves this page ends";
  const more = document.body.classList.contains("team")
    ? "Others can go on, and you can come back; the command that serves this page ends when all have left."
    : `${ends}; start it again to go on.`;
  at("leave-more").textContent = `${saved} ${more}`;
  dialog.returnValue = "";
  dialog.onclose = () => dialog.returnValue === "leave" && leave();
  dialog.showModal();
}

at("leave-stay").addEventListener("click", () => at("leave-dialog").close());
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("close", () => document.activeElement?.blur());
  dialog.addEventListener("click", (event) => event.target === dialog && !dialog.matches("#comment-dialog, #door-dialog") && dialog.close());
}

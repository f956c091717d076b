// Answers and comments that are not sent yet. They outlive a reload of the page, in its own tab.

/** What was drafted for each example; `read` and `write` keep it in the tab. */
export class Drafts {
  constructor() {
    this.name = null;
    this.kept = {};
  }

  /** Take what this tab has kept for a run, or for one of several people at it. */
  open({ run, is_team: isTeam, annotator }) {
    const name = isTeam ? `hfal ${run} ${annotator}` : `hfal ${run}`;
    if (this.name === name) return;
    this.name = name;
    try {
      this.kept = JSON.parse(sessionStorage.getItem(this.name)) ?? {};
    } catch {
      this.kept = {}; // a browser without storage, as in some frames
    }
  }

  get(kind, example) {
    return this.kept[kind]?.[example];
  }

  set(kind, example, draft) {
    (this.kept[kind] ??= {})[example] = draft;
    this.#write();
  }

  drop(kind, example) {
    if (this.get(kind, example) === undefined) return;
    delete this.kept[kind][example];
    this.#write();
  }

  #write() {
    try {
      sessionStorage.setItem(this.name, JSON.stringify(this.kept));
    } catch {
      // It is kept while the page stands.
    }
  }
}

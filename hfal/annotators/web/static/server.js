// Talks to the server: waits for new states, and sends until there is a response.

import { addressed, identify } from "./team.js";

const MOST_WAIT = 10_000; // milliseconds between two attempts
const MOST_ATTEMPTS = 100; // while a command that was started again says that nothing is asked
const LATE = 400; // milliseconds until a request is seen to be on its way
const POST_LIMIT = 20_000, POLL_LIMIT = 40_000;
const ABSENT = new Set([502, 503, 504]); // a proxy says that the server is not there
const ENCODED = { "Content-Type": "application/json" };

/** The server, as one page sees it. */
export class Server {
  /**
   * @param onState      Called with each state that is newer than the last one.
   * @param onConnection Called with null when the server responds; with {seconds, sending, refused} when it does not.
   */
  constructor(onState, onConnection) {
    this.onState = onState;
    this.onConnection = onConnection;
    this.version = null;
    this.start = null; // which start of the server the version is of
    this.ended = false;
    this.sending = false;
    this.sleepers = new Set();
    window.addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
  }

  /** Do not wait any longer before the next attempt. */
  retryNow() {
    for (const wake of this.sleepers) wake();
  }

  /**
   * Send a request until there is a response, which is {state} or {error} or both. What was sent once is the same
   * each time, so that the server can tell that it has it already.
   */
  async post(path, body) {
    const text = JSON.stringify(body), start = this.start;
    this.sending = true;
    // A style with a delay would do, but hold up the frame with the next text: the browser draws while it runs.
    const late = setTimeout(() => document.body.classList.add("late"), LATE);
    try {
      for (let attempt = 0; ; attempt++) {
        let response, data;
        try {
          response = await fetch(addressed(path), { method: "POST", headers: ENCODED, body: text, cache: "no-store", signal: AbortSignal.timeout(POST_LIMIT) });
          if (ABSENT.has(response.status)) throw new TypeError("no server");
          data = await response.json();
        } catch (error) {
          // A response that broke off comes again; a proxy's page of errors does so for ever.
          if (error instanceof SyntaxError && attempt > 2) return { error: `The server responded with ${response.status}, and not in JSON.` };
          await this.#pause(attempt);
          continue;
        }
        const holder = response.status === 409 ? data.state : null;
        if (attempt < MOST_ATTEMPTS && holder?.phase === "waiting" && holder.server !== start) {
          await this.#pause(0); // the command was started again, and has not opened its query yet
          continue;
        }
        this.onConnection(null);
        if (response.ok) return { state: this.#take(data) };
        // What was sent before is there already: no error, but the response that was lost.
        const error = response.status === 409 && attempt > 0 && !data.is_lost ? null : String(data.error ?? `The server responded with ${response.status}.`);
        return { state: data.state ? this.#take(data.state) : null, error };
      }
    } finally {
      clearTimeout(late);
      document.body.classList.remove("late");
      this.sending = false;
    }
  }

  /** Wait for states for as long as any may come. */
  async listen() {
    let failures = 0, known = 0;
    while (!this.ended) {
      let state, refused = "";
      try {
        const path = this.version === null ? "api/state" : `api/state?after=${this.version}`;
        const response = await fetch(addressed(path, true), { cache: "no-store", signal: AbortSignal.timeout(POLL_LIMIT) });
        const data = await response.json();
        if (data.door) {
          await identify(data.door, data.error);
          continue;
        }
        if (response.ok) state = data;
        else refused = String(data.error ?? `The server responded with ${response.status}.`);
      } catch {
        // No response, or none of hfal's.
      }
      if (state === undefined) {
        if (!this.ended) await this.#pause(failures++, refused);
        continue;
      }
      failures = 0;
      if (!this.sending) this.onConnection(null);
      const isNewer = state.server !== this.start || state.version > this.version;
      known = isNewer && !this.sending ? 0 : known + 1;
      if (known === 0) this.onState(this.#take(state));
      else if (known > 1) await new Promise((done) => setTimeout(done, 200)); // once a response to `post` was first
    }
  }

  #take(state) {
    this.version = state.version;
    this.start = state.server;
    this.ended = state.phase === "ended";
    return state;
  }

  async #pause(attempt, refused = "") {
    const wait = Math.min(500 * 2 ** attempt, MOST_WAIT);
    this.onConnection({ seconds: Math.ceil(wait / 1000), sending: this.sending, refused });
    let wake;
    await new Promise((done) => {
      wake = done;
      this.sleepers.add(wake);
      setTimeout(done, wait);
    });
    this.sleepers.delete(wake);
  }
}

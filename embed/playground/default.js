/** What the default policy would show, for who chose another one. */
export class DefaultPolicy {
  #runner;

  constructor(runner) {
    this.#runner = runner;
  }

  /** A file's text, or why there is none, with those of the settings that the default policy knows. */
  text(capture, path, settings) {
    return this.#ask(capture, { ask: "known", path, settings });
  }

  files(capture) {
    return this.#ask(capture, { ask: "files", knobs: [] }).value?.files ?? [];
  }

  #ask(capture, question) {
    return this.#runner.ask(capture, { ...question, edits: new Map() });
  }
}

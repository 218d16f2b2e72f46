import { described } from "../npm/src/explanation.js";

/** Longer than any render takes, and shorter than a person waits. */
const ANSWERS_WITHIN = 2000;
/** Its code is compiled, too. */
const STARTS_WITHIN = 10_000;

/**
 * A policy of a person's own answers in a worker, one question after another. A
 * worker that does not answer is ended, and the next question starts another.
 */
export class Away {
  #component;
  #worker;
  #capture;
  #last = Promise.resolve();
  /** Files for which it was ended: only a person asks for them again. */
  #ended = new Map();

  /** The address of its script, and its core modules by name. */
  constructor(component) {
    this.#component = component;
  }

  /** An answer; undefined if the question is no longer of interest in its turn. */
  ask(capture, question, isWanted = () => true) {
    const isAgain = question.ask === "text" && this.#ended.has(question.path);
    if (isAgain) return Promise.resolve(this.#ended.get(question.path));
    const own = this.#last.then(() => (isWanted() ? this.#asked(capture, question) : undefined));
    this.#last = own;
    return own;
  }

  stop() {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#capture = undefined;
  }

  async #asked(capture, question) {
    const of = question.path === undefined ? "" : `${question.path}: `;
    try {
      await this.#started();
      const isHeld = this.#capture === capture;
      this.#capture = capture;
      const sent = isHeld ? { question } : { question, capture };
      const replied = await reply(this.#worker, sent, ANSWERS_WITHIN);
      this.#ended.delete(question.path);
      return unpacked(replied, capture);
    } catch ({ code = "trapped", message }) {
      this.stop();
      const answer = { error: { code, message: `${of}${message}` } };
      if (code === "timeout") this.#ended.set(question.path, answer);
      return answer;
    }
  }

  async #started() {
    if (this.#worker !== undefined) return;
    const { script, modules } = this.#component;
    this.#worker = new Worker(script);
    const { error } = await reply(this.#worker, { modules }, STARTS_WITHIN);
    if (error !== undefined) throw error;
  }
}

/** What a worker replies to a message; throws where it fails or takes too long. */
export function reply(worker, message, milliseconds) {
  return new Promise((resolve, reject) => {
    const fail = (code, reason) => {
      clearTimeout(timer);
      reject(Object.assign(new Error(reason), { code }));
    };
    const timer = setTimeout(
      () => fail("timeout", `no answer within ${milliseconds / 1000} s, so it was ended`),
      milliseconds,
    );
    worker.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail("trapped", event.message ?? "its worker failed");
    };
    worker.onmessageerror = () => fail("trapped", "its answer cannot be read");
    worker.postMessage(message);
  });
}

/** Functions stay behind in the worker: an explanation is described here again. */
function unpacked({ value, error }, capture) {
  if (error !== undefined) return { error };
  if (!value.isExplained) return { value };
  return { value: { ...value, explanation: described(value.explanation, capture, value.entry) } };
}

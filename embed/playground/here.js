import { answer } from "./questions.js";

/** A policy that comes with the page answers at once. */
export class Here {
  constructor(policy) {
    this.policy = policy;
  }

  ask(capture, question) {
    return answer(this.policy, capture, question);
  }

  stop() {}
}

/** Owns the wrapper that keeps a secret out of logs, errors and JSON: only `reveal` gives it away. */
import { inspect } from "node:util";

const redacted = "[secret]";

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself; call it only where it is sent or compared. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspect.custom](): string {
    return redacted;
  }
}

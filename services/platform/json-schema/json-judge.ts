/**
 * Owns telling whether a text is JSON that fits a schema. Both are strangers', and either can be made to take forever (patterns, references
 * that multiply): so it is done in a thread of its own, one after the other, and what takes too long ends with the thread.
 */
import { AskedThread, ThreadBusyError } from "../asked-thread.ts";

const mostWaiting = 1_000;
/** Longer texts are not looked at, in characters. */
const longestText = 1024 * 1024;
const longestSchema = 64 * 1024;
const resourceLimits = { maxOldGenerationSizeMb: 128, stackSizeMb: 4 };

/** What the thread is asked. */
export interface JudgedText {
  readonly schema: string;
  readonly text: string;
}

/** What the thread answers; absent where all is well. */
export type Fault = string | undefined;

export class JsonJudge {
  readonly #thread: AskedThread<JudgedText, Fault>;

  /** How long one text may take, and how long it may wait for others. */
  constructor(withinMs = 2_000, longestWaitMs = 10_000) {
    this.#thread = new AskedThread({ file: new URL("./judge-thread.ts", import.meta.url), resourceLimits, withinMs, longestWaitMs, mostWaiting });
  }

  /** Why the text is not JSON that fits the schema, or cannot be known to be; undefined when it is. Nothing of the text stands in it. */
  async faultOf(schema: string, text: string): Promise<Fault> {
    if (text.length > longestText) return `it is longer than ${longestText} characters, too long to be looked at`;
    if (schema.length > longestSchema) return `the schema is longer than ${longestSchema} characters`;
    try {
      return await this.#thread.ask({ schema, text });
    } catch (error) {
      return error instanceof ThreadBusyError ? "too many replies wait to be looked at" : "it takes too long, or too much memory, to look at it under this schema";
    }
  }

  stop(): Promise<void> {
    return this.#thread.stop();
  }
}

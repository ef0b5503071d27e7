/** Owns reading a reply of which nothing goes on to anybody: line by line, none of which is kept. */
import { NdjsonSplitter, type NdjsonLine } from "#platform/formats/ndjson.ts";
import { noOutput } from "../usage/generated-output.ts";
import type { ReplyReader } from "./reply-reader.ts";

export class ResultsReply implements ReplyReader {
  readonly #splitter = new NdjsonSplitter();
  readonly #readLine: (line: string) => void;
  complete = false;
  readonly waitingBytes = 0;
  readonly summary = undefined;
  readonly output = noOutput;

  /** Blank lines are passed over; what the reading throws ends the call. */
  constructor(readLine: (line: string) => void) {
    this.#readLine = readLine;
  }

  push(chunk: Buffer): void {
    for (const line of this.#splitter.push(chunk)) this.#read(line);
  }

  end(): void {
    const last = this.#splitter.flush();
    if (last !== undefined) this.#read(last);
    this.complete = true;
  }

  take(): undefined {
    return undefined;
  }

  #read({ data }: NdjsonLine): void {
    if (data !== "") this.#readLine(data);
  }
}

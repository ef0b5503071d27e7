/** Owns a reply that is kept while its caller takes it: as it came from the target, and only if it came whole and its caller got it whole. */
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { IncomingReply } from "./call-cache.ts";
import { bytesOf } from "./reply-bytes.ts";

export class ReceivedReply {
  readonly #messages: AsyncIterable<AttemptResponse>;
  readonly #incoming: IncomingReply;
  #isWhole = false;

  constructor(messages: AsyncIterable<AttemptResponse>, incoming: IncomingReply) {
    this.#messages = messages;
    this.#incoming = incoming;
  }

  /** As it comes from the target. */
  async *fromTarget(): AsyncGenerator<AttemptResponse, void> {
    let hasRoom = true;
    for await (const message of this.#messages) {
      hasRoom &&= this.#incoming.add(bytesOf(message));
      this.#isWhole ||= message.end !== undefined;
      yield message;
    }
  }

  /** As the caller takes it, whom guardrails may keep from it to the last. */
  async *toCaller(messages: AsyncIterable<AttemptResponse>): AsyncGenerator<AttemptResponse, void> {
    try {
      yield* messages;
      if (this.#isWhole) this.#incoming.keep();
    } finally {
      this.#incoming.drop();
    }
  }
}

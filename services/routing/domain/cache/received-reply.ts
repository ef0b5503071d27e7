/** Owns a reply that is kept while its caller takes it: as it came from the target, and only if it came whole and its caller got it whole. */
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { IncomingReply } from "./call-cache.ts";
import { bytesOf } from "./reply-bytes.ts";

export class ReceivedReply {
  readonly #messages: AsyncIterable<AttemptResponse>;
  readonly #incoming: IncomingReply;

  constructor(messages: AsyncIterable<AttemptResponse>, incoming: IncomingReply) {
    this.#messages = messages;
    this.#incoming = incoming;
  }

  /** As it comes from the target. */
  async *fromTarget(): AsyncGenerator<AttemptResponse, void> {
    let hasRoom = true;
    for await (const message of this.#messages) {
      hasRoom &&= this.#incoming.add(bytesOf(message));
      yield message;
    }
  }

  /** As the caller takes it, whom guardrails may keep from it to the last. */
  async *toCaller(messages: AsyncIterable<AttemptResponse>): AsyncGenerator<AttemptResponse, void> {
    try {
      for await (const message of messages) {
        yield message;
        // Not when nothing more comes: who has the end may ask the same again at once.
        if (message.end !== undefined) this.#incoming.keep();
      }
    } finally {
      this.#incoming.drop();
    }
  }
}

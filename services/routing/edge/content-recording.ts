/** Owns what is taken down of calls whose organization has their content kept: the bytes as they went through the caller's door. */
import { create, toJsonString, type DescMessage, type Message } from "@bufbuild/protobuf";
import { CallContentSchema, type CallContent } from "#gen/weir/metering/v1/content_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { HttpResponse } from "#platform/http/listener.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { RoutingConfig } from "../config.ts";
import type { RequestScope } from "./request-scope.ts";

export interface ContentKeeper {
  /** Undefined unless the organization has its content kept. */
  begin(grant: Grant, scope: RequestScope): ContentRecording | undefined;
}

export function createContentKeeper(config: LiveValue<Pick<RoutingConfig, "keptOrganizations">>, keep: (content: CallContent) => void): ContentKeeper {
  return {
    begin: ({ organizationId, keyId }, { requestId, operation }) => {
      const { keptOrganizations } = config.current;
      if (keptOrganizations.size === 0 || !(keptOrganizations.has(organizationId) || keptOrganizations.has("*"))) return undefined;
      return new ContentRecording({ organizationId, keyId, callId: requestId, operation }, keep);
    },
  };
}

/** As many bytes of a request, and of a reply, are kept; the field's bound in `CallContent`. */
const maximumBytes = 262_144;

/** One call's content while it goes by. */
export class ContentRecording {
  readonly #call: Pick<CallContent, "organizationId" | "keyId" | "callId" | "operation">;
  readonly #keep: (content: CallContent) => void;
  readonly #request = new Beginning();
  readonly #reply = new Beginning();

  constructor(call: Pick<CallContent, "organizationId" | "keyId" | "callId" | "operation">, keep: (content: CallContent) => void) {
    this.#call = call;
    this.#keep = keep;
  }

  addRequest(bytes: Uint8Array): void {
    this.#request.add(bytes);
  }

  get replyBytes(): number {
    return this.#reply.length;
  }

  addReply(bytes: Uint8Array): void {
    this.#reply.add(bytes);
  }

  /** No more comes; a call without a request, such as a list, has no content. */
  end(): void {
    if (this.#request.length === 0) return;
    this.#keep(
      create(CallContentSchema, {
        ...this.#call,
        request: this.#request.bytes(),
        requestBytes: BigInt(this.#request.length),
        reply: this.#reply.bytes(),
        replyBytes: BigInt(this.#reply.length),
      }),
    );
  }
}

class Beginning {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  add(bytes: Uint8Array): void {
    const room = maximumBytes - this.length;
    this.length += bytes.length;
    // What is kept must not change when its owner uses the memory again.
    if (room > 0) this.#parts.push(Uint8Array.from(bytes.subarray(0, room)));
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return Buffer.concat(this.#parts);
  }
}

/** Takes down all that is written to the response from now on, errors too, until it is closed. */
export function recordReply(response: HttpResponse, recording: ContentRecording): void {
  const write = response.write.bind(response) as (...words: unknown[]) => boolean;
  const end = response.end.bind(response) as (...words: unknown[]) => HttpResponse;
  const note = (chunk: unknown): void => {
    if (typeof chunk === "string") recording.addReply(Buffer.from(chunk));
    else if (chunk instanceof Uint8Array) recording.addReply(chunk);
  };
  response.write = (...words: unknown[]) => {
    note(words[0]);
    return write(...words);
  };
  response.end = (...words: unknown[]) => {
    const before = recording.replyBytes;
    const ended = end(...words);
    // That of HTTP/2 writes its last chunk by `write`, that of HTTP/1.1 does not.
    if (recording.replyBytes === before) note(words[0]);
    return ended as typeof response;
  };
  response.once("close", () => recording.end());
}

/** A message as a line of JSON. */
export function messageBytes(schema: DescMessage, message: Message): Uint8Array {
  return Buffer.from(`${toJsonString(schema, message)}\n`);
}

/** Owns what a vendor's folder must provide: translation to and from types, and the vendor's conventions as data. No I/O. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  StreamGenerateResponseSchema,
  type Generation,
  type GenerateResponse,
  type StreamGenerateResponse,
} from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { SynthesizeSpeechRequest } from "#gen/weir/inference/v1/speech_pb.ts";
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { RateLimit } from "#gen/weir/types/v1/rate_limit_pb.ts";
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { GatewayError } from "#platform/errors.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import type { BatchAdapter, VendorBatch } from "./batch.ts";
import type { Traffic } from "./usage/estimate-usage.ts";
import type { EventSplitter, StreamedEvent } from "./reply/event-splitter.ts";
import type { GeneratedText } from "./usage/generated-output.ts";
import type { RelayForm } from "./reply/relay-form.ts";
import type { UnaryName, UnaryRequest, UnaryResponse } from "./unary-operation.ts";
import type { TakenAsBytes } from "./media/remote-media.ts";
import type { ToolNameForm } from "./translation/tool-names.ts";

/** One vendor. Its folder has the same files as every other: see services/providers/README.md. */
export interface VendorAdapter {
  readonly vendor: string;
  /** Dialects whose bytes this vendor takes and answers untouched when it generates. */
  readonly nativeDialects: readonly string[];
  /** Where the vendor's API is, with its version and without a slash at the end. */
  readonly defaultBaseUrl: string;
  /** False for vendors that run without a credential. */
  readonly needsCredential: boolean;
  /**
   * What the vendor's billing makes us do when the caller goes away in mid-stream:
   * `cancel` closes the connection and estimates, `drain` reads on to the usage.
   */
  readonly onDisconnect: "cancel" | "drain";
  /** Headers of the caller's own request (lower case) that go on to the vendor with a native body; never one with a credential. */
  readonly forwardedRequestHeaders: readonly string[];
  /** Reply headers (lower case) passed on to callers of the vendor's own dialect; never one with a credential. */
  readonly forwardedReplyHeaders: readonly string[];
  /** The headers that carry the credential and the API's version. */
  authorize(credential: Secret): Record<string, string>;
  /** The headers that carry a signature of this one request, for vendors that want one. */
  sign?(request: SignableRequest, credential: Secret, nowMs: number): Record<string, string>;
  /** The vendor's id of the request, from its reply headers (lower case); empty when there is none. */
  upstreamRequestId(headers: Readonly<Record<string, string>>): string;
  /** How much of the vendor's rate limits is left, from its reply headers (lower case); absent for vendors that do not say. */
  readRateLimits?(headers: Readonly<Record<string, string>>, nowMs: number): readonly RateLimit[];
  /** The tier that served the call, for vendors that tell it in their reply headers (lower case) alone; empty when they do not. */
  serviceTier?(headers: Readonly<Record<string, string>>): string;
  /** The error that a reply with a status outside 2xx means. */
  readError(reply: VendorReply): GatewayError;
  readonly generate: GenerateAdapter;
  /** What the vendor has beside generating. */
  readonly operations: UnaryAdapters;
  readonly speech?: SpeechAdapter | undefined;
  /** The endpoints that take bytes of a dialect as they are, beside those above; absent where there are none. */
  readonly relays?: readonly RelayForm[];
  /** Absent where there are none. */
  readonly batches?: BatchAdapter;
}

export type VendorMethod = "POST" | "GET" | "DELETE";

/** A request as the vendor gets it. The same input gives the same bytes, so that a retry is identical. */
export interface VendorRequest {
  /** POST when absent; others have no body. */
  readonly method?: VendorMethod;
  /** Path below the base URL, with a leading slash. */
  readonly path: string;
  /** Headers beside content-type and those of `authorize`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the body; `application/json` when absent. */
  readonly contentType?: string;
  readonly body: Uint8Array;
  /** What the vendor cannot honour, and what happens instead. */
  readonly warnings: readonly Warning[];
  /** True when Weir asked for usage in the stream though the caller had not: that event is then kept from the caller. */
  readonly withholdUsage: boolean;
}

/** A request as it will be sent, for whoever signs it. */
export interface SignableRequest {
  readonly method: VendorMethod;
  /** With the port, where it is not the scheme's own. */
  readonly host: string;
  /** From the root, as it stands in the request line. */
  readonly path: string;
  /** Those of the VendorRequest and content-type. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface VendorReply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What the ledger must know of a reply. */
export interface ReplySummary {
  /** In disjoint meters (see weir.types.v1.Meter), source PROVIDER; undefined when the vendor reported nothing. */
  readonly usage: Usage | undefined;
  /** The vendor's own word; empty when none came. */
  readonly finishReason: string;
  readonly servedModel: string;
  readonly serviceTier: string;
  /** The batch that the reply tells of. */
  readonly batch?: VendorBatch;
}

/** How the bytes of a dialect go to the vendor, and the reply to them comes back, untouched. */
export interface NativeForm {
  /**
   * The caller's own bytes with only the model (and the request for usage in a stream) spliced in place; so is the output maximum,
   * where the caller is held to one.
   */
  buildNativeRequest(body: Uint8Array, model: string, stream: boolean, outputMaximum?: number): VendorRequest;
  /** What the ledger must know of a whole reply. Throws UPSTREAM_PROTOCOL when it cannot be read. */
  summarizeReply(body: Uint8Array): ReplySummary;
  /** A reader for one streamed reply. */
  createStreamReader(request: VendorRequest): StreamReader;
  /** Cuts a streamed reply's bytes into events; absent for server-sent events. */
  createSplitter?(): EventSplitter;
}

export interface GenerateAdapter extends NativeForm {
  /** Media that the vendor does not fetch by itself. Where the operator lets Weir fetch it, `buildRequest` sees bytes in its place. */
  readonly takenAsBytes: TakenAsBytes;
  /** Which names of tools the vendor takes; absent where that is not known. `buildRequest` sees no other. */
  readonly toolNames?: ToolNameForm;
  /** Types → vendor. Throws UNSUPPORTED_FIELD instead of warning when `generation.strict`. */
  buildRequest(generation: Generation, model: string, stream: boolean): VendorRequest;
  /** A whole reply. Throws UPSTREAM_PROTOCOL when it cannot be read. `request` is what it answers, for vendors that are asked in more than one form. */
  readReply(body: Uint8Array, request?: VendorRequest): { readonly response: GenerateResponse; readonly summary: ReplySummary };
  /** By native dialect, the form of those that go to the vendor in another form than types do; their readers make no events. */
  readonly nativeForms?: Readonly<Record<string, NativeForm>>;
  /** The request at the usual price, where the account's settings could give one that names no service tier a dearer one: budgets hold no more than that. */
  atUsualPrice?(request: VendorRequest): VendorRequest;
}

/**
 * Reads one streamed reply, event by event. An event that differs from the one before it only in the value of one of the
 * `textMembers` or `paddingMembers` changes nothing but `output`.
 */
export interface StreamReader {
  /** The names of the JSON members whose value is a piece of what is generated. */
  readonly textMembers: readonly string[];
  /** The names of the JSON members whose value says nothing. */
  readonly paddingMembers: readonly string[];
  /**
   * Takes the vendor's next event. Throws the vendor's error when the event is one.
   * The events, those of `close` included, begin with exactly one `start` and, once the vendor has said all, close with exactly one `end`.
   */
  read(event: StreamedEvent): StreamReading;
  /** The events that are left when a finished stream has come to its end; absent where the vendor's terminator brings them. */
  close?(): readonly StreamEventInit[];
  /** What is known so far. */
  readonly summary: ReplySummary;
  /** True once the vendor's terminator has come, or all that makes a stream whole; a stream that ends before was cut. */
  readonly finished: boolean;
  /** True once the vendor has marked the end of the stream itself, behind which nothing comes; absent where no such mark is known. */
  readonly terminated?: boolean;
  /** Generated text, tool arguments and reasoning so far, for estimates. */
  readonly output: GeneratedText;
}

/** What one event holds. */
export class StreamReading {
  readonly #inits: readonly StreamEventInit[];
  /** False when a caller in the vendor's own dialect must not see this event's bytes. */
  readonly forward: boolean;

  constructor(inits: readonly StreamEventInit[], forward: boolean) {
    this.#inits = inits;
    this.forward = forward;
  }

  /** Made when asked for: where the bytes go through untouched nobody asks. */
  toEvents(): StreamGenerateResponse[] {
    return this.#inits.map((init) => create(StreamGenerateResponseSchema, init));
  }
}

export type StreamEventInit = Exclude<MessageInitShape<typeof StreamGenerateResponseSchema>, StreamGenerateResponse>;

export type UnaryAdapters = { readonly [Name in UnaryName]?: UnaryAdapter<Name> };

/** One operation that is answered in one piece, as the vendor has it. */
export interface UnaryAdapter<Name extends UnaryName> {
  /** Types → vendor. Throws UNSUPPORTED_FIELD instead of warning when the request is strict. */
  buildRequest(request: UnaryRequest<Name>, model: string): VendorRequest;
  /** Throws UPSTREAM_PROTOCOL when it cannot be read. The response's `model`, when it is empty, is the one that was asked for. */
  readReply(body: Uint8Array): { readonly response: UnaryResponse<Name>; readonly summary: ReplySummary };
  /** Absent where no dialect's bytes can go to the vendor as they are. */
  readonly native?: NativeUnaryForm;
  /** What is put in the ledger when the vendor did not say what was consumed; the request's bytes as tokens when absent. */
  readonly estimateUsage?: (traffic: Traffic, request: VendorRequest) => Usage;
}

/** As NativeForm, for an operation that is answered in one piece. */
export interface NativeUnaryForm {
  readonly dialect: string;
  buildRequest(body: Uint8Array, model: string): VendorRequest;
  summarizeReply(body: Uint8Array): ReplySummary;
}

/** Speech, whose reply goes on as sound. */
export interface SpeechAdapter {
  /** Types → vendor. Throws UNSUPPORTED_FIELD instead of warning when the request is strict. */
  buildRequest(request: SynthesizeSpeechRequest, model: string): VendorRequest;
  /** Takes the sound out of a whole reply; absent where the reply is the sound itself. Throws UPSTREAM_PROTOCOL when it cannot be read. */
  readReply?(body: Uint8Array, request: SynthesizeSpeechRequest): SpokenReply;
}

export interface SpokenReply {
  readonly sound: Uint8Array;
  readonly mediaType: string;
  readonly summary: ReplySummary;
}

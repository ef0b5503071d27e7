/** Owns what a dialect's folder must provide: an HTTP API of others, read into types and written from types. No I/O. */
import type { IncomingHttpHeaders } from "node:http";
import type { Generation, GenerateResponse, Model, StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { SynthesizeSpeechRequest } from "#gen/weir/inference/v1/speech_pb.ts";
import type { RateLimit } from "#gen/weir/types/v1/rate_limit_pb.ts";
import type { GatewayError } from "#platform/errors.ts";
import type { AccountFiles } from "./account/account-files.ts";
import type { RelayExtent } from "./budget/bound-of.ts";
import type { RelayedName } from "./targets/capability.ts";
import type { Reply } from "./call.ts";
import type { UnaryName, UnaryRequest, UnaryResponse } from "./unary-operation.ts";

/** One dialect. */
export interface Dialect {
  readonly name: string;
  /** True when headers or query show that the caller speaks this dialect, for paths that two dialects share and for errors. */
  claims(headers: IncomingHttpHeaders, query: string): boolean;
  /** The key the caller sent, as it came; undefined when there is none. The query is as in RequestTarget. */
  readCredential(headers: IncomingHttpHeaders, query: string): string | undefined;
  /** Request headers (lower case) that belong to a request as much as its body does. */
  readonly requestHeaders: readonly string[];
  readonly endpoints: readonly Endpoint[];
  /** The headers (lower case) by which its clients learn of rate limits; absent where there are none. */
  writeRateLimits?(limits: readonly RateLimit[], nowMs: number): Readonly<Record<string, string>>;
  /** The error as this dialect's clients expect it before a reply has begun. */
  writeError(error: GatewayError, requestId: string): HttpReply;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Endpoint = GenerateEndpoint | AnyUnaryEndpoint | RelayEndpoint | ListModelsEndpoint | GetModelEndpoint | GetVersionEndpoint | FilesEndpoint;

/** What a request says beside its headers and its body. */
export interface RequestTarget {
  /** What stands in the path in the place of `{model}` or `{id}`, decoded; empty where the path has no such place. */
  readonly model: string;
  /**
   * The query as it came, without its question mark; undefined for an RPC's native payload, whose stream has the form of the
   * vendor's own. It may hold the caller's key: no log and no message may repeat it.
   */
  readonly query: string | undefined;
}

/** A JSON object as parsed, nothing about it known yet. */
export type JsonObject = { readonly [key: string]: unknown };

export interface GenerateEndpoint {
  readonly operation: "generate";
  readonly method: "POST";
  /** Exact, or with one `{model}` that stands for one character or more, slashes included. */
  readonly path: string;
  /** Throws INVALID_REQUEST with the field when the model is missing or not text. Reads nothing else: the rest may go on untouched. */
  read(body: JsonObject, target: RequestTarget): GenerateCall;
}

export interface GenerateCall {
  readonly model: string;
  readonly stream: boolean;
  /** False when no target takes this form of body, though it speaks the dialect. Absent means true. */
  readonly isNative?: boolean;
  /** Fields of the request that types cannot carry; named in warnings when the target needs a translation. */
  readonly unknownFields: readonly string[];
  /** The whole request in types, `model` included. Throws INVALID_REQUEST with the field at fault. */
  toGeneration(): Generation;
  /** The reply's JSON in this dialect. */
  writeReply(response: GenerateResponse): unknown;
  createStreamWriter(): StreamWriter;
}

/** Writes one streamed reply in the dialect's own event form. */
export interface StreamWriter {
  /** The content type of the whole reply. */
  readonly contentType: string;
  /** The bytes that say nothing but that the stream lives on; empty where the clients of this form could not skip them. */
  readonly keepAlive: string;
  /** The bytes for these events, terminator included after `end`; may be empty. */
  write(events: readonly StreamGenerateResponse[]): string;
  /**
   * The bytes that tell the client of an error after the reply has begun; nothing is written behind them. Empty where a reply of
   * this form can tell of none: then the connection is broken off, so that nobody takes the piece for the whole.
   */
  writeError(error: GatewayError, requestId: string): string;
  /** Bytes of a target's own stream in the form that the caller asked for; absent where there is one form only. */
  relay?(native: Uint8Array): Uint8Array | string;
  /** What is to come behind the last of `write` or `relay`; absent where that is nothing. */
  end?(): string;
}

/** An operation that is answered in one piece. */
export interface UnaryEndpoint<Name extends UnaryName> {
  readonly operation: Name;
  readonly method: "POST";
  /** As in GenerateEndpoint. */
  readonly path: string;
  /** As in GenerateEndpoint. */
  read(body: JsonObject, target: RequestTarget): UnaryCall<Name>;
}

export type AnyUnaryEndpoint = { [Name in UnaryName]: UnaryEndpoint<Name> }[UnaryName];

export interface UnaryCall<Name extends UnaryName> {
  readonly model: string;
  /** There where events are asked for: then bytes are relayed, as of a RelayEndpoint. */
  readonly events?: Pick<RelayEndpoint, "serves"> & Pick<RelayCall, "writeStreamError">;
  /** As in GenerateCall. */
  readonly unknownFields: readonly string[];
  /** The whole request in types, `model` included. Throws INVALID_REQUEST with the field at fault. */
  toRequest(): UnaryRequest<Name>;
  /** The reply's JSON in this dialect; `requestId` and `target` are there. */
  writeReply(response: UnaryResponse<Name>): unknown;
}

/**
 * An endpoint where the request or the reply is more than JSON: a form, sound, text, or events. Bytes go to targets that speak
 * the dialect, and bytes come back.
 */
export interface RelayEndpoint {
  readonly operation: "relay";
  /** The operation as the contract has it. */
  readonly serves: RelayedName;
  readonly method: "POST";
  /** Exact, below the version's own path. */
  readonly path: `/v1/${string}`;
  /** Throws INVALID_REQUEST with the field when the model is missing or not text; reads nothing else that the vendor reads. */
  read(body: Buffer, contentType: string): Promise<RelayCall>;
}

export interface RelayCall {
  readonly model: string;
  /** True when events are asked for. */
  readonly stream: boolean;
  /** Of the body, for the vendor. */
  readonly contentType: string;
  /** What of it decides how much it costs. */
  readonly extent: RelayExtent;
  /** The body for a target, its model in place and every other byte untouched. */
  bodyFor(model: string): Uint8Array;
  /** As `writeError` of StreamWriter, where the reply is in events. */
  writeStreamError(error: GatewayError, requestId: string): string;
  /** The request in types, for targets that speak and do not take the bytes; absent for what is no speech. Throws UNSUPPORTED_FIELD for what types cannot carry. */
  toSpeech?(): SynthesizeSpeechRequest;
}

export interface ListModelsEndpoint {
  readonly operation: "listModels";
  readonly method: "GET";
  readonly path: string;
  /** The models' JSON; `createTimeMs` stands in for when each was created. */
  writeReply(models: readonly Model[], createTimeMs: number): unknown;
}

export interface GetModelEndpoint {
  readonly operation: "getModel";
  readonly method: "GET";
  readonly path: string;
  /** The one model's JSON; `createTimeMs` as in ListModelsEndpoint. */
  writeReply(model: Model, createTimeMs: number): unknown;
}

/** An endpoint for files, or batches of them, that lie in the account at a vendor of the same dialect. */
export interface FilesEndpoint {
  readonly operation: "files";
  readonly method: "GET" | "POST" | "DELETE";
  /** Exact, or with `{id}`. */
  readonly path: string;
  answer(request: FilesRequest, files: AccountFiles): Promise<FilesAnswer>;
}

export interface FilesRequest {
  /** As it stands in the path. */
  readonly id: string;
  /** As in RequestTarget. */
  readonly query: string;
  /** The provider that the caller named. */
  readonly provider: string | undefined;
  readonly contentType: string;
  readonly body: () => Promise<Buffer>;
}

/** JSON, or a vendor's reply whose bytes go on. */
export type FilesAnswer = { readonly json: JsonObject } | { readonly reply: Reply };

export interface GetVersionEndpoint {
  readonly operation: "getVersion";
  readonly method: "GET";
  readonly path: string;
  /** The JSON by which clients learn which API this is. */
  writeReply(): unknown;
}

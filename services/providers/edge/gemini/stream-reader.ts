/** Owns the reading of a streamed reply, chunk by chunk: each is a reply that holds what is new. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseJsonObject } from "#platform/formats/json.ts";
import { StreamReading, type ReplySummary, type StreamEventInit, type StreamReader, type VendorRequest } from "../../domain/adapter.ts";
import type { StreamedEvent } from "../../domain/reply/event-splitter.ts";
import { GeneratedText } from "../../domain/usage/generated-output.ts";
import { asCount, asObject, asObjects, asText, isObject, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { readIsoTime } from "../../domain/translation/vendor-time.ts";
import { CandidateReader } from "./candidate-reader.ts";
import { readErrorEvent } from "./errors.ts";
import { blockReasonOf } from "./read-reply.ts";
import { parseReplyJson } from "./reply-json.ts";
import { readUsage, serviceTierOf } from "./usage.ts";

/** The most candidates that a stream may hold, as in types; a server cannot fill the memory with more. */
const maximumCandidates = 128;

/**
 * A reader for one reply. Gemini sends no terminator: the stream is complete when each candidate that was asked for has its
 * finish reason. But only its end tells that nothing comes behind: servers that stand in for Gemini finish with their first chunk
 * already, or with each (https://github.com/router-for-me/CLIProxyAPI/issues/5651).
 */
export function createStreamReader({ body }: VendorRequest): StreamReader {
  return new ChunkReader(candidateCountOf(body));
}

class ChunkReader implements StreamReader {
  readonly textMembers = ["text"];
  readonly paddingMembers = [];
  readonly output = new GeneratedText();
  readonly #candidateCount: number;
  readonly #candidates = new Map<number, CandidateReader>();
  #hasStarted = false;
  #hasEnded = false;
  #metadata: JsonObject | undefined;
  #blockReason = "";
  #replyId = "";
  #servedModel = "";

  constructor(candidateCount: number) {
    this.#candidateCount = candidateCount;
  }

  get finished(): boolean {
    return this.#hasEnded || this.#isComplete();
  }

  get summary(): ReplySummary {
    const finishReason = [...this.#candidates.values()].find(({ finishWord }) => finishWord !== "")?.finishWord ?? this.#blockReason;
    return { usage: this.#usage, finishReason, servedModel: this.#servedModel, serviceTier: serviceTierOf(this.#metadata) };
  }

  read(event: StreamedEvent): StreamReading {
    if (event.data === "") return new StreamReading([], true);
    const chunk = parseReplyJson(event.data);
    const error = readErrorEvent(chunk);
    if (error !== undefined) throw error;
    return new StreamReading(this.#readChunk(chunk), true);
  }

  get #usage(): Usage | undefined {
    let searches = 0;
    for (const candidate of this.#candidates.values()) searches += candidate.searches;
    return readUsage(this.#metadata, searches);
  }

  #readChunk(chunk: JsonObject): StreamEventInit[] {
    this.#servedModel = asText(chunk["modelVersion"]) || this.#servedModel;
    if (isObject(chunk["usageMetadata"])) this.#metadata = { ...this.#metadata, ...chunk["usageMetadata"] };
    if (this.#hasEnded) return [];
    const events = this.#start(chunk);
    for (const [position, candidate] of asObjects(chunk["candidates"]).entries()) {
      events.push(...this.#candidate(asCount(candidate["index"]) ?? position).read(candidate));
    }
    this.#blockReason = blockReasonOf(chunk) || this.#blockReason;
    return events;
  }

  #start(chunk: JsonObject): StreamEventInit[] {
    if (this.#hasStarted) return [];
    this.#hasStarted = true;
    this.#replyId = asText(chunk["responseId"]);
    const createTime = readIsoTime(chunk["createTime"]);
    const usage = this.#usage;
    const start = { id: this.#replyId, model: this.#servedModel, ...(createTime === undefined ? {} : { createTime }), ...(usage === undefined ? {} : { usage }) };
    return [{ event: { case: "start", value: start } }];
  }

  /** A prompt may be blocked before anything was said. */
  #isComplete(): boolean {
    if (this.#candidates.size === 0) return this.#blockReason !== "";
    return this.#candidates.size >= this.#candidateCount && this.#candidates.values().every(({ finishWord }) => finishWord !== "");
  }

  close(): readonly StreamEventInit[] {
    if (this.#hasEnded) return [];
    this.#hasEnded = true;
    const closed: StreamEventInit[] =
      this.#candidates.size > 0
        ? this.#candidates.values().flatMap((candidate) => candidate.close()).toArray()
        : [{ event: { case: "candidateEnd", value: { finishReason: FinishReason.CONTENT_FILTER, nativeFinishReason: this.#blockReason } } }];
    const { usage, serviceTier } = this.summary;
    return [...closed, { event: { case: "end", value: { ...(usage === undefined ? {} : { usage }), ...(serviceTier === "" ? {} : { serviceTier }) } } }];
  }

  #candidate(index: number): CandidateReader {
    const known = this.#candidates.get(index);
    if (known !== undefined) return known;
    if (this.#candidates.size === maximumCandidates) {
      throw new GatewayError("UPSTREAM_PROTOCOL", `Gemini streams more than ${maximumCandidates} candidates; use another target.`);
    }
    const candidate = new CandidateReader(index, this.#replyId, this.output);
    this.#candidates.set(index, candidate);
    return candidate;
  }
}

/** Most requests ask for one, and need no parsing to know it. */
function candidateCountOf(body: Uint8Array): number {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!source.includes('"candidateCount"') && !source.includes('"candidate_count"')) return 1;
  const request = parseJsonObject(body);
  const config = asObject(request["generationConfig"] ?? request["generation_config"]);
  return asCount(config["candidateCount"] ?? config["candidate_count"]) ?? 1;
}

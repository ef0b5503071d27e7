/** Owns the reading of a streamed reply, chunk by chunk. */
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { StreamReading, type ReplySummary, type StreamEventInit, type StreamReader, type VendorRequest } from "../../../domain/adapter.ts";
import type { StreamedEvent } from "../../../domain/reply/event-splitter.ts";
import { GeneratedText } from "../../../domain/usage/generated-output.ts";
import { CandidateReader } from "./candidate-reader.ts";
import { readErrorEvent } from "../errors.ts";
import { asCount, asObjects, asText, parseVendorJson, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { readSeconds } from "../../../domain/translation/vendor-time.ts";
import { readUsage } from "./usage.ts";

/** The most candidates that a stream may hold, as in OpenAI's `n`; a server cannot fill the memory with more. */
const maximumCandidates = 128;

/**
 * A reader for one reply. The terminator is `data: [DONE]`; for servers that send none, a stream is also complete when every
 * candidate that began has its finish reason and a usage came with or after the last of them. But only its end tells that nothing
 * comes behind: there are servers that say the usage with each chunk.
 */
export function createStreamReader({ withholdUsage }: VendorRequest): StreamReader {
  return new ChunkReader(withholdUsage);
}

const nothing = new StreamReading([], true);

class ChunkReader implements StreamReader {
  readonly textMembers = ["content", "reasoning_content", "reasoning", "refusal", "arguments"];
  readonly paddingMembers = ["obfuscation"];
  readonly output = new GeneratedText();
  readonly #withholdUsage: boolean;
  readonly #candidates = new Map<number, CandidateReader>();
  #hasStarted = false;
  #hasEnded = false;
  #isDone = false;
  #usage: Usage | undefined;
  #usageIsFinal = false;
  #replyId = "";
  #servedModel = "";
  #serviceTier = "";

  constructor(withholdUsage: boolean) {
    this.#withholdUsage = withholdUsage;
  }

  get finished(): boolean {
    return this.#hasEnded || this.#isComplete();
  }

  /** A usage that is still to come may stand behind the mark. */
  get terminated(): boolean {
    return this.#isDone && this.#usage !== undefined;
  }

  get summary(): ReplySummary {
    const finishReason = [...this.#candidates.values()].find(({ finishWord }) => finishWord !== "")?.finishWord ?? "";
    return { usage: this.#usage, finishReason, servedModel: this.#servedModel, serviceTier: this.#serviceTier };
  }

  read(event: StreamedEvent): StreamReading {
    if (event.data === "") return nothing;
    if (event.data === "[DONE]") {
      this.#isDone = true;
      return new StreamReading(this.close(), true);
    }
    const chunk = parseVendorJson(event.data);
    if (event.type === "error" || (chunk["error"] ?? null) !== null) throw readErrorEvent(chunk);
    return this.#readChunk(chunk);
  }

  #readChunk(chunk: JsonObject): StreamReading {
    const choices = asObjects(chunk["choices"]);
    this.#servedModel = asText(chunk["model"]) || this.#servedModel;
    this.#serviceTier = asText(chunk["service_tier"]) || this.#serviceTier;
    const isUsageAlone = choices.length === 0 && (chunk["usage"] ?? null) !== null;
    const forward = !(isUsageAlone && this.#withholdUsage);
    const hasEnded = this.#hasEnded;
    const inits = hasEnded ? [] : [...this.#start(chunk), ...choices.flatMap((choice, position) => this.#readChoice(choice, position))];
    this.#readUsage(chunk);
    return new StreamReading(inits, forward);
  }

  /** Azure's first chunk has neither id nor choices; who answers is known with the next. */
  #start(chunk: JsonObject): StreamEventInit[] {
    const id = asText(chunk["id"]);
    if (this.#hasStarted || (id === "" && asObjects(chunk["choices"]).length === 0)) return [];
    this.#hasStarted = true;
    this.#replyId = id;
    const createTime = readSeconds(chunk["created"]);
    return [{ event: { case: "start", value: { id, model: this.#servedModel, ...(createTime === undefined ? {} : { createTime }) } } }];
  }

  #readChoice(choice: JsonObject, position: number): StreamEventInit[] {
    const candidate = this.#candidate(asCount(choice["index"]) ?? position);
    const events = candidate.read(choice);
    if (asText(choice["finish_reason"]) !== "") this.#usageIsFinal = false;
    return events;
  }

  #readUsage(chunk: JsonObject): void {
    const usage = readUsage(chunk["usage"]);
    if (usage === undefined) return;
    this.#usage = usage;
    this.#usageIsFinal = true;
  }

  #isComplete(): boolean {
    return this.#usageIsFinal && this.#candidates.size > 0 && this.#candidates.values().every(({ finishWord }) => finishWord !== "");
  }

  close(): readonly StreamEventInit[] {
    if (this.#hasEnded) return [];
    if (!this.#hasStarted) throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor's stream ended without a reply; try again, or use another target.");
    this.#hasEnded = true;
    const end = {
      ...(this.#usage === undefined ? {} : { usage: this.#usage }),
      ...(this.#serviceTier === "" ? {} : { serviceTier: this.#serviceTier }),
    };
    return [...this.#candidates.values().flatMap((candidate) => candidate.close()), { event: { case: "end", value: end } }];
  }

  #candidate(index: number): CandidateReader {
    const known = this.#candidates.get(index);
    if (known !== undefined) return known;
    if (this.#candidates.size === maximumCandidates) {
      throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor streams more than ${maximumCandidates} candidates; use another target.`);
    }
    const candidate = new CandidateReader(index, this.#replyId, this.output);
    this.#candidates.set(index, candidate);
    return candidate;
  }
}

/** Owns the reading of a streamed Response that goes on untouched: its end, its usage, its errors, and how much was generated. */
import { StreamReading, type ReplySummary, type StreamReader } from "../../../domain/adapter.ts";
import type { StreamedEvent } from "../../../domain/reply/event-splitter.ts";
import { GeneratedText } from "../../../domain/usage/generated-output.ts";
import { readResponsesError } from "./failed-response.ts";
import { asObject, asText, isObject, parseVendorJson, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { summarizeResponse } from "./reply-summary.ts";

export function createNativeStreamReader(): StreamReader {
  return new ResponsesStreamReader();
}

/** Nothing is made of types: these bytes go on as they are. */
const untouched = new StreamReading([], true);

class ResponsesStreamReader implements StreamReader {
  // Each event has a number of its own, so none repeats the one before it.
  readonly textMembers = [];
  readonly paddingMembers = [];
  summary: ReplySummary = { usage: undefined, finishReason: "", servedModel: "", serviceTier: "" };
  finished = false;
  readonly output = new GeneratedText();

  read(event: StreamedEvent): StreamReading {
    // Some servers end the stream as in Chat Completions.
    if (event.data === "" || event.data === "[DONE]" || this.finished) return untouched;
    const members = parseVendorJson(event.data);
    const type = asText(members["type"]) || event.type;
    if (type === "error") throw readResponsesError(isObject(members["error"]) ? members["error"] : members);
    if (type.endsWith(".delta")) this.#count(type, members);
    else if ("response" in members) this.#readResponse(type, asObject(members["response"]));
    return untouched;
  }

  /** Sound comes in base64, and its transcript beside it. */
  #count(type: string, { delta }: JsonObject): void {
    if (type !== "response.audio.delta") this.output.add(asText(delta));
  }

  #readResponse(type: string, response: JsonObject): void {
    this.summary = summarizeResponse(response);
    if (type === "response.failed") throw readResponsesError(asObject(response["error"]));
    this.finished = type === "response.completed" || type === "response.incomplete";
  }
}

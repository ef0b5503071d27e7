/** Owns the reading of events of sound, transcripts and images that go on untouched: their end, their usage, their errors. */
import { StreamReading, type ReplySummary, type StreamReader } from "../../domain/adapter.ts";
import type { StreamedEvent } from "../../domain/event-splitter.ts";
import { asText, isObject, parseVendorJson } from "../../domain/vendor-json.ts";
import { readErrorEvent } from "./errors.ts";
import { readMediaUsage, type MediaMeters } from "./media-usage.ts";

export function createMediaStreamReader(meters: MediaMeters): StreamReader {
  return new MediaStreamReader(meters);
}

const untouched = new StreamReading([], true);

/** `speech.audio.delta` and `.done`, `transcript.text.delta` and `.done`, `image_edit.partial_image` and `.completed`. */
class MediaStreamReader implements StreamReader {
  readonly textMembers = [];
  readonly paddingMembers = [];
  readonly #meters: MediaMeters;
  summary: ReplySummary = { usage: undefined, finishReason: "", servedModel: "", serviceTier: "" };
  finished = false;
  outputBytes = 0;

  constructor(meters: MediaMeters) {
    this.#meters = meters;
  }

  read(event: StreamedEvent): StreamReading {
    if (event.data === "") return untouched;
    // Compatible servers end the stream as in Chat Completions.
    if (event.data === "[DONE]") {
      this.finished = true;
      return untouched;
    }
    const members = parseVendorJson(event.data);
    const type = asText(members["type"]) || event.type;
    if (type === "error" || isObject(members["error"])) throw readErrorEvent(members);
    this.outputBytes += Buffer.byteLength(asText(members["delta"]));
    const usage = readMediaUsage(members["usage"], this.#meters);
    if (usage !== undefined) this.summary = { ...this.summary, usage };
    this.finished ||= type.endsWith(".done") || type.endsWith(".completed");
    return untouched;
  }
}

/** Owns the reading of events of sound, transcripts and images that go on untouched: their end, their usage, their errors. */
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { StreamReading, type ReplySummary, type StreamReader } from "../../../domain/adapter.ts";
import type { StreamedEvent } from "../../../domain/reply/event-splitter.ts";
import { GeneratedText } from "../../../domain/usage/generated-output.ts";
import { asText, isObject, parseVendorJson } from "../../../domain/translation/vendor-json.ts";
import { readErrorEvent } from "../errors.ts";

/** The usage in an event's member of that name; undefined when there is none. */
type ReadUsage = (value: unknown) => Usage | undefined;

export function createMediaStreamReader(readUsage: ReadUsage): StreamReader {
  return new MediaStreamReader(readUsage);
}

const untouched = new StreamReading([], true);

/** `speech.audio.delta` and `.done`, `transcript.text.delta` and `.done`, `image_generation.partial_image` and `.completed`, and so of edits. */
class MediaStreamReader implements StreamReader {
  readonly textMembers = [];
  readonly paddingMembers = [];
  readonly #readUsage: ReadUsage;
  summary: ReplySummary = { usage: undefined, finishReason: "", servedModel: "", serviceTier: "" };
  finished = false;
  readonly output = new GeneratedText();

  constructor(readUsage: ReadUsage) {
    this.#readUsage = readUsage;
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
    this.output.add(asText(members["delta"]));
    const usage = this.#readUsage(members["usage"]);
    if (usage !== undefined) this.summary = { ...this.summary, usage };
    this.finished ||= type.endsWith(".done") || type.endsWith(".completed");
    return untouched;
  }
}

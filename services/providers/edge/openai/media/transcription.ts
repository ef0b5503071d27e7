/** Owns POST /audio/transcriptions and /audio/translations: a recording goes in as a form, its text comes out in one of several forms. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { TimedUnit, TranscribeResponseSchema, type TranscribeRequest, type TranscribeResponse } from "#gen/weir/inference/v1/transcription_pb.ts";
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { findPart, textPart, writeForm } from "#platform/formats/multipart.ts";
import type { ReplySummary, UnaryAdapter, VendorRequest } from "../../../domain/adapter.ts";
import { recordingOf } from "../../../domain/usage/estimate-usage.ts";
import type { RelayForm } from "../../../domain/reply/relay-form.ts";
import { asObjects, asText, parseVendorJson, textOf, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { Warnings } from "../../../domain/translation/warnings.ts";
import { createMediaStreamReader } from "./media-stream-reader.ts";
import { readMediaUsage } from "./media-usage.ts";

const meters = { input: Meter.INPUT_TOKENS, output: Meter.OUTPUT_TOKENS };

export const transcribeAdapter: UnaryAdapter<"transcribe"> = {
  buildRequest,
  readReply: (body) => {
    const reply = parseVendorJson(textOf(body));
    return { response: readResponse(reply), summary: summarize(reply) };
  },
  estimateUsage: (_traffic, { body, contentType = "" }) => recordingOfForm(body, contentType),
};

export const transcriptionRelays: readonly RelayForm[] = ["/audio/transcriptions", "/audio/translations"].map((endpoint) => ({
  dialect: "openai",
  endpoint,
  operation: "transcribe",
  summarizeReply: (body, contentType) => summarize(contentType.includes("json") ? parseVendorJson(textOf(body)) : {}),
  createStreamReader: () => createMediaStreamReader((value) => readMediaUsage(value, meters)),
  estimateUsage: recordingOfForm,
}));

/** Of its file alone: what a caller writes beside it says nothing of its length. */
function recordingOfForm(body: Uint8Array, contentType: string): Usage {
  return recordingOf(findPart(body, contentType, "file") ?? body);
}

function buildRequest(request: TranscribeRequest, model: string): VendorRequest {
  const { audio, mediaType, filename, language, prompt, temperature, times, translate, strict } = request;
  const warnings = new Warnings("The vendor", strict);
  if (translate && language !== "") warnings.add("language", "It finds out for itself what it translates from; it is left out.");
  if (translate && times.includes(TimedUnit.WORD)) warnings.add("times", "It tells the times of segments only when it translates.");
  const { body, contentType } = writeForm([
    { name: "file", filename: filename || `audio.${endingOf(mediaType)}`, mediaType: mediaType || "application/octet-stream", content: audio },
    textPart("model", model),
    textPart("response_format", times.length === 0 ? "json" : "verbose_json"),
    ...(language === "" || translate ? [] : [textPart("language", language)]),
    ...(prompt === "" ? [] : [textPart("prompt", prompt)]),
    ...(temperature === undefined ? [] : [textPart("temperature", String(temperature))]),
    ...(translate ? [] : times.map((unit) => textPart("timestamp_granularities[]", unit === TimedUnit.WORD ? "word" : "segment"))),
  ]);
  return { path: translate ? "/audio/translations" : "/audio/transcriptions", headers: {}, contentType, body, warnings: warnings.list, withholdUsage: false };
}

/** The vendor tells the encoding by the file's ending. */
function endingOf(mediaType: string): string {
  const subtype = mediaType.split(/[/;]/)[1]?.trim().replace(/^x-/, "") ?? "";
  return { mpeg: "mp3", wave: "wav", "": "mp3" }[subtype] ?? subtype;
}

function readResponse(reply: JsonObject): TranscribeResponse {
  const { duration } = reply;
  const summary = summarize(reply);
  return create(TranscribeResponseSchema, {
    text: asText(reply["text"]),
    language: asText(reply["language"]),
    segments: asObjects(reply["segments"]).map((segment) => readTimed(segment, "text")),
    words: asObjects(reply["words"]).map((word) => readTimed(word, "word")),
    ...(isSeconds(duration) ? { duration: durationFromMs(Math.round(duration * 1000)) } : {}),
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
  });
}

function readTimed(timed: JsonObject, textMember: "text" | "word") {
  const { start, end } = timed;
  return {
    text: asText(timed[textMember]),
    speaker: asText(timed["speaker"]),
    ...(isSeconds(start) ? { start: durationFromMs(Math.round(start * 1000)) } : {}),
    ...(isSeconds(end) ? { end: durationFromMs(Math.round(end * 1000)) } : {}),
  };
}

/** Servers that say nothing of usage may say how long the recording is, which is what they bill. */
function summarize(reply: JsonObject): ReplySummary {
  const usage = readMediaUsage(reply["usage"], meters) ?? readMediaUsage({ seconds: reply["duration"] }, meters);
  return { usage, finishReason: "", servedModel: "", serviceTier: "" };
}

function isSeconds(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

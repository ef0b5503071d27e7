/** Owns POST /audio/speech: a text goes in, sound comes out, or events that hold it. */
import { parseJsonObject } from "#platform/formats/json.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import type { SynthesizeSpeechRequest } from "#gen/weir/inference/v1/speech_pb.ts";
import type { SpeechAdapter, VendorRequest } from "../../../domain/adapter.ts";
import { charactersOf } from "../../../domain/usage/estimate-usage.ts";
import type { RelayForm } from "../../../domain/reply/relay-form.ts";
import { asText, parseVendorJson, textOf } from "../../../domain/translation/vendor-json.ts";
import { createMediaStreamReader } from "./media-stream-reader.ts";
import { readMediaUsage } from "./media-usage.ts";

const endpoint = "/audio/speech";
/** The usage that only the events hold: `SpeechAudioDoneEvent` in https://github.com/openai/openai-openapi */
const meters = { input: Meter.INPUT_TOKENS, output: Meter.AUDIO_OUTPUT_TOKENS };

export const openaiSpeech: SpeechAdapter = { buildRequest };

export const speechRelay: RelayForm = {
  dialect: "openai",
  endpoint,
  operation: "synthesizeSpeech",
  summarizeReply: (body) => ({ usage: readMediaUsage(parseVendorJson(textOf(body))["usage"], meters), finishReason: "", servedModel: "", serviceTier: "" }),
  createStreamReader: () => createMediaStreamReader((value) => readMediaUsage(value, meters)),
  estimateUsage: (request) => charactersOf(asText(parseJsonObject(request)["input"])),
};

function buildRequest({ input, voice, instructions, format, speed }: SynthesizeSpeechRequest, model: string): VendorRequest {
  const body = {
    model,
    input,
    // Ids of custom voices begin with `voice_` and go in an object, names of voices go as they are.
    voice: voice.startsWith("voice_") ? { id: voice } : voice,
    ...(instructions === "" ? {} : { instructions }),
    ...(format === "" ? {} : { response_format: format }),
    ...(speed === undefined ? {} : { speed }),
  };
  return { path: endpoint, headers: {}, body: Buffer.from(JSON.stringify(body)), warnings: [], withholdUsage: false };
}

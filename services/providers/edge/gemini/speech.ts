/** Owns speech: generateContent of a model that answers in sound (https://ai.google.dev/gemini-api/docs/speech-generation). */
import { create } from "@bufbuild/protobuf";
import { Role, type Media } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { SynthesizeSpeechRequest } from "#gen/weir/inference/v1/speech_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { SpeechAdapter, SpokenReply, VendorRequest } from "../../domain/adapter.ts";
import { unsupportedField, Warnings } from "../../domain/translation/warnings.ts";
import { wavOf } from "../../domain/media/wav.ts";
import { writeBody } from "./build-request.ts";
import { readReply as readGeneration } from "./read-reply.ts";
import { methodPath } from "./reply-json.ts";

export const speechAdapter: SpeechAdapter = { buildRequest, readReply };

function buildRequest(request: SynthesizeSpeechRequest, model: string): VendorRequest {
  const warnings = new Warnings("Gemini", request.strict);
  const { voice, format, speed } = request;
  if (format === "") warnings.add("format", "Gemini's sound is raw PCM; it comes as WAV.");
  else if (!isPcm(format) && format !== "wav") throw unsupportedField("Gemini", "format", "its sound is raw PCM, which comes as `wav` or `pcm`.");
  if (speed !== undefined && speed !== 1) warnings.add("speed", "Gemini takes it in words alone, in the instructions; it is left out.");
  const generation = create(GenerationSchema, {
    messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: promptOf(request, warnings) } } }] }],
    modalities: [Modality.AUDIO],
    audio: { voice, format: "pcm" },
    strict: request.strict,
  });
  const body = Buffer.from(JSON.stringify(writeBody(generation, model, warnings)));
  return { path: methodPath(model, "generateContent"), headers: {}, body, warnings: warnings.list, withholdUsage: false };
}

/** The models read how to speak before the text: `Say cheerfully: Have a wonderful day!` */
function promptOf({ input, instructions }: SynthesizeSpeechRequest, warnings: Warnings): string {
  if (instructions === "") return input;
  warnings.add("instructions", "Gemini takes them before the text, with a colon between.");
  return `${instructions.replace(/[\s.:]+$/, "")}: ${input}`;
}

/** Throws UPSTREAM_PROTOCOL when it holds no sound that can be told, and UPSTREAM_REJECTED when Google says why there is none. */
function readReply(body: Uint8Array, { format }: SynthesizeSpeechRequest): SpokenReply {
  const { response, summary } = readGeneration(body);
  const parts = response.candidates.flatMap(({ message }) => message?.parts ?? []);
  const sounds = parts.flatMap(({ kind }) => (kind.case === "audio" && kind.value.media !== undefined ? [kind.value.media] : []));
  const [first] = sounds;
  if (first === undefined) throw noSound(summary.finishReason);
  const samples = Buffer.concat(sounds.map(samplesOf));
  return isPcm(format) ? { sound: samples, mediaType: first.mediaType, summary } : { sound: wavOf(samples, rateOf(first)), mediaType: "audio/wav", summary };
}

function samplesOf({ source }: Media): Uint8Array {
  return source.case === "data" ? source.value : new Uint8Array();
}

/** Of `audio/L16;codec=pcm;rate=24000`. */
function rateOf({ mediaType }: Media): number {
  const rate = /^audio\/l16\b.*;\s*rate=(\d{4,6})\b/i.exec(mediaType)?.[1];
  if (rate !== undefined) return Number(rate);
  throw new GatewayError("UPSTREAM_PROTOCOL", `Gemini's sound is ${mediaType.slice(0, 100)} and no raw PCM; ask for the format \`pcm\`, which goes through as it is.`);
}

function isPcm(format: string): boolean {
  return format === "pcm";
}

function noSound(finishReason: string): GatewayError {
  if (finishReason === "" || finishReason === "STOP") return new GatewayError("UPSTREAM_PROTOCOL", "Gemini's reply holds no sound; name one of its models that speak.");
  return new GatewayError("UPSTREAM_REJECTED", `Gemini did not speak: ${finishReason}. Change the text.`, { metadata: { status: "400", code: finishReason } });
}

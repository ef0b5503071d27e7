/** Owns POST /v1/audio/speech. */
import { create } from "@bufbuild/protobuf";
import { SynthesizeSpeechRequestSchema, type SynthesizeSpeechRequest } from "#gen/weir/inference/v1/speech_pb.ts";
import { parseJsonObject, spliceJson } from "#platform/formats/json.ts";
import type { JsonObject, RelayCall, RelayEndpoint } from "../../../domain/dialect.ts";
import { ObjectReader } from "../object-reader.ts";
import { writeStreamError } from "../errors.ts";

export const speechEndpoint: RelayEndpoint = { operation: "relay", serves: "synthesizeSpeech", method: "POST", path: "/v1/audio/speech", read };

async function read(body: Buffer): Promise<RelayCall> {
  const json = parseJsonObject(body);
  const request = new ObjectReader(json);
  return {
    model: request.text("model"),
    stream: request.raw("stream_format") === "sse",
    contentType: "application/json",
    extent: { bytes: body.length, count: 1n, files: 0n },
    bodyFor: (model) => spliceJson(body, { model }),
    writeStreamError,
    toSpeech: () => readSpeech(json),
  };
}

/** Throws UNSUPPORTED_FIELD for a member it does not know, and for events. */
function readSpeech(json: JsonObject): SynthesizeSpeechRequest {
  const body = new ObjectReader(json);
  const speed = body.optionalNumber("speed");
  const request = create(SynthesizeSpeechRequestSchema, {
    model: body.text("model"),
    input: body.text("input"),
    voice: typeof body.raw("voice") === "object" ? body.object("voice").text("id") : body.text("voice"),
    instructions: body.optionalText("instructions") ?? "",
    format: body.optionalText("response_format") ?? "",
    ...(speed === undefined ? {} : { speed }),
  });
  if ((body.optionalText("stream_format") ?? "audio") !== "audio") throw body.untranslatable("stream_format", "must be audio for this target");
  const [unread] = body.unreadMembers();
  if (unread !== undefined) throw body.untranslatable(unread, "is not known to Weir, so it cannot be translated for this target; leave it out");
  return request;
}

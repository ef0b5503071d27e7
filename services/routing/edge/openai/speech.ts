/** Owns POST /v1/audio/speech. */
import { parseJsonObject, spliceJson } from "#platform/json.ts";
import type { RelayCall, RelayEndpoint } from "../../domain/dialect.ts";
import { ObjectReader } from "./object-reader.ts";
import { writeStreamError } from "./errors.ts";

export const speechEndpoint: RelayEndpoint = { operation: "relay", serves: "synthesizeSpeech", method: "POST", path: "/v1/audio/speech", read };

async function read(body: Buffer): Promise<RelayCall> {
  const request = new ObjectReader(parseJsonObject(body));
  return {
    model: request.text("model"),
    stream: request.raw("stream_format") === "sse",
    contentType: "application/json",
    extent: { bytes: body.length, count: 1n, files: 0n },
    bodyFor: (model) => spliceJson(body, { model }),
    writeStreamError,
  };
}

/** Owns what is read of a form before it goes on: the model, which is set for each target, and whether events are asked for. */
import { GatewayError } from "#platform/errors.ts";
import { readForm } from "#platform/multipart.ts";
import type { RelayCall } from "../../domain/dialect.ts";
import { invalidField } from "../request-fields.ts";
import { writeStreamError } from "./errors.ts";

export async function readFormCall(body: Buffer, contentType: string): Promise<RelayCall> {
  const form = await readForm(body, contentType);
  const model = form.text("model");
  if (model === undefined) throw invalidField("model", "is missing");
  const stream = readStream(form.text("stream"));
  // Where several images come in events, none of them says that it is the last.
  if (stream && (form.text("n") ?? "1") !== "1") throw new GatewayError("UNSUPPORTED_FIELD", "n must be 1 where events are asked for.", { metadata: { field: "n" } });
  return { model, stream, contentType, bodyFor: (target) => form.withText("model", target), writeStreamError };
}

/** Readers of forms differ in what other words mean, and the vendor must not stream where Weir thinks that it does not. */
function readStream(word = "false"): boolean {
  if (/^true$/i.test(word)) return true;
  if (/^(?:false)?$/i.test(word)) return false;
  throw invalidField("stream", "must be `true` or `false`");
}

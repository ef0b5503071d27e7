/** Owns what is read of a form before it goes on: the model, which is set for each target, and whether events are asked for. */
import { GatewayError } from "#platform/errors.ts";
import { readForm } from "#platform/formats/multipart.ts";
import type { RelayCall } from "../../../domain/dialect.ts";
import { invalidField } from "../../dialect-parts/request-fields.ts";
import { writeStreamError } from "../errors.ts";

export async function readFormCall(body: Buffer, contentType: string): Promise<RelayCall> {
  const form = await readForm(body, contentType);
  const model = form.text("model");
  if (model === undefined) throw invalidField("model", "is missing");
  const extent = { bytes: body.length, count: countOf(form.text("n")), files: BigInt(form.parts.filter(({ filename }) => filename !== undefined).length) };
  const stream = readStream(form.text("stream"));
  // Where several images come in events, none of them says that it is the last.
  if (stream && (form.text("n") ?? "1") !== "1") throw new GatewayError("UNSUPPORTED_FIELD", "n must be 1 where events are asked for.", { metadata: { field: "n" } });
  return { model, stream, contentType, extent, bodyFor: (target) => form.withText("model", target), writeStreamError };
}

/** Readers of forms differ in what other words mean, and the vendor must not stream where Weir thinks that it does not. */
function readStream(word = "false"): boolean {
  if (/^true$/i.test(word)) return true;
  if (/^(?:false)?$/i.test(word)) return false;
  throw invalidField("stream", "must be `true` or `false`");
}

/** More than any vendor makes at once. */
const mostReplies = 128n;

/** Of the replies that are asked for; what is written in another way a vendor may read all the same. */
function countOf(text: string | undefined): bigint {
  if (text === undefined) return 1n;
  return /^\d{1,6}$/.test(text) ? BigInt(text) : mostReplies;
}

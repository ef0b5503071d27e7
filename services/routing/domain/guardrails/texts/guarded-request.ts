/** Owns looking through what a caller asks, in whatever form it goes to the target. */
import { AttemptRequestSchema, type AttemptRequest, type RelayRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { readForm, writeForm } from "#platform/formats/multipart.ts";
import type { CallGuard } from "../call-guard.ts";
import { lookThrough, type Breathe } from "./look-through.ts";
import { rewriteJson, type Rewrite } from "./rewrite-json.ts";
import { rewriteMessage } from "./rewrite-message.ts";
import { withBrokenSignatures } from "./signed-reasoning.ts";

/** The request as the guardrails let it go to the vendor. Throws GUARDRAIL_BLOCKED. */
export async function guardedRequest(request: AttemptRequest, guard: CallGuard, breathe: Breathe): Promise<AttemptRequest> {
  const { operation } = request;
  if (operation.case === "relay") return { ...request, operation: { case: "relay", value: await guardedRelay(operation.value, guard, breathe) } };
  const asked = { $typeName: request.$typeName, operation } as AttemptRequest;
  const guarded = await lookThrough((rewrite) => rewriteMessage(AttemptRequestSchema, asked, rewrite), guard, "input", breathe);
  return { ...request, operation: withBrokenSignatures(guarded.operation, operation, (came, looked) => guard.isAsWritten(came, looked)) };
}

async function guardedRelay(relay: RelayRequest, guard: CallGuard, breathe: Breathe): Promise<RelayRequest> {
  const body = Buffer.from(relay.body.buffer, relay.body.byteOffset, relay.body.byteLength);
  if (!/^multipart\//i.test(relay.contentType)) return { ...relay, body: await lookThrough((rewrite) => rewriteJson(body, rewrite), guard, "input", breathe) };
  const { parts } = await readForm(body, relay.contentType);
  const fields = (rewrite: Rewrite) => parts.map((part) => (isText(part) ? { ...part, content: Buffer.from(rewrite(Buffer.from(part.content).toString("utf8"))) } : part));
  const guarded = await lookThrough(fields, guard, "input", breathe);
  const isSame = guarded.every(({ content }, index) => Buffer.compare(content, parts[index]!.content) === 0);
  return isSame ? relay : { ...relay, ...writeForm(guarded) };
}

/** Fields that people write; the other ones and the files go on as they are. */
function isText({ name, filename }: { readonly name: string; readonly filename: string | undefined }): boolean {
  return filename === undefined && name !== "model";
}

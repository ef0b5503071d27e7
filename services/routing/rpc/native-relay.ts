/** Owns a request that an RPC takes in a dialect's own form where that is more than JSON, and the reply to it in the same. */
import { create } from "@bufbuild/protobuf";
import { NativePayloadSchema, type NativePayload } from "#gen/weir/inference/v1/generation_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { AskedRelay } from "../domain/asked-forms.ts";
import { relayedCall } from "../domain/asked-call.ts";
import type { RelayedName } from "../domain/targets/capability.ts";
import type { RelayEndpoint } from "../domain/dialect.ts";
import type { Reply } from "../domain/call.ts";
import { runCall } from "../domain/pipeline.ts";
import { callOf, type InferenceDependencies } from "./inference-dependencies.ts";

export interface NativeRequest {
  readonly model: string;
  readonly labels: Record<string, string>;
  readonly native: NativePayload;
  /** As in RelayEndpoint. */
  readonly path: string;
}

/** What answers have in common whose request was relayed. */
export interface NativeReply {
  readonly requestId: string;
  readonly target: string;
  readonly native: NativePayload;
}

/** As of any other whole reply (services/providers/README.md). */
const maximumReplyBytes = 64 * 1024 * 1024;

/** Throws INVALID_REQUEST when the dialect has no such endpoint, or events are asked for: the reply is one piece. */
export async function relayNative(operation: RelayedName, { model, labels, native, path }: NativeRequest, context: CallContext, { dialects, pipeline }: InferenceDependencies): Promise<NativeReply> {
  const { dialect, headers, body } = native;
  const endpoint = dialects.find(({ name }) => name === dialect)?.endpoints.find((one): one is RelayEndpoint => one.operation === "relay" && one.path === path);
  if (endpoint === undefined) throw refusal("native.dialect", `the dialect "${dialect}" has no ${path}.`);
  const call = await endpoint.read(Buffer.from(body.buffer, body.byteOffset, body.byteLength), headers["content-type"] ?? "");
  if (call.stream) throw refusal("native.body", "It must not ask for a stream: this RPC answers in one piece.");
  const asked: AskedRelay = { operation, dialect, endpoint: path.slice("/v1".length), call, strict: false };
  const reply = await runCall(callOf(context, { ...relayedCall(asked), model }, labels), pipeline);
  return { requestId: context.requestId, target: reply.target.name, native: create(NativePayloadSchema, { dialect, body: await wholeOf(reply) }) };
}

async function wholeOf({ messages, target }: Reply): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let lengthBytes = 0;
  for await (const { native } of messages) {
    lengthBytes += native.length;
    if (lengthBytes > maximumReplyBytes) throw new GatewayError("UPSTREAM_PROTOCOL", `${target.name} answers with more than ${maximumReplyBytes} bytes, too many for one message. Ask for less, or over HTTP.`);
    pieces.push(native);
  }
  return Buffer.concat(pieces, lengthBytes);
}

function refusal(field: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${field}: ${description}`, { fieldViolations: [{ field, description }] });
}

/** Owns what travels beside each message between services: who calls, for whom, in which request and trace. */
import { timingSafeEqual } from "node:crypto";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { GatewayError } from "../errors.ts";
import type { Secret } from "../secrets/secret.ts";
import type { CallContext, Identity } from "../rpc/service-types.ts";
import type { TraceContext } from "../tracing/span.ts";
import { plainBytes } from "./grpc-codec.ts";

const serviceKey = "weir-service";
const requestIdKey = "weir-request-id";
const grantKey = "weir-grant-bin";
const secretKey = "authorization";
const traceparentKey = "traceparent";
const tracestateKey = "tracestate";

/** The metadata of a call; `secret` is for peers on loopback without TLS. */
export function writeCallMetadata(self: string, secret: Secret | undefined, { identity, requestId, trace }: CallContext): Metadata {
  const metadata = new Metadata();
  metadata.set(serviceKey, self);
  metadata.set(requestIdKey, requestId);
  if (secret !== undefined) metadata.set(secretKey, `Bearer ${secret.reveal()}`);
  if (identity.kind === "caller") metadata.set(grantKey, Buffer.from(toBinary(GrantSchema, identity.grant)));
  if (trace !== undefined) {
    metadata.set(traceparentKey, trace.traceparent);
    if (trace.tracestate !== undefined) metadata.set(tracestateKey, trace.tracestate);
  }
  return metadata;
}

/** Who calls, as the metadata says; believe it only of a peer that has proved to be one. */
export function readCallMetadata(metadata: Metadata, peerName: string): Pick<CallContext, "identity" | "requestId" | "trace"> {
  const [grant] = metadata.get(grantKey);
  const identity: Identity = grant === undefined ? { kind: "service", name: peerName } : { kind: "caller", grant: fromBinary(GrantSchema, plainBytes(grant as Buffer)) };
  return { identity, requestId: textOf(metadata, requestIdKey), trace: traceOf(metadata) };
}

function traceOf(metadata: Metadata): TraceContext | undefined {
  const traceparent = textOf(metadata, traceparentKey);
  if (traceparent === "") return undefined;
  const tracestate = textOf(metadata, tracestateKey);
  return tracestate === "" ? { traceparent } : { traceparent, tracestate };
}

/** The service that a peer says it is. */
export function claimedService(metadata: Metadata): string {
  return textOf(metadata, serviceKey);
}

/** Throws PEER_REFUSED unless the peer knows the shared secret. */
export function checkSharedSecret(metadata: Metadata, secret: Secret): void {
  const given = textOf(metadata, secretKey);
  if (given === "") throw new GatewayError("PEER_REFUSED", "This internal port asks for the shared secret, and the call has none. Set internal.shared_secret to the same value in every process.");
  const expected = Buffer.from(`Bearer ${secret.reveal()}`);
  const presented = Buffer.from(given);
  if (presented.length === expected.length && timingSafeEqual(presented, expected)) return;
  throw new GatewayError("PEER_REFUSED", "The shared secret of the call is not that of this internal port. Set internal.shared_secret to the same value in every process.");
}

function textOf(metadata: Metadata, key: string): string {
  const [value] = metadata.get(key);
  return typeof value === "string" ? value : "";
}

/** Owns how an error travels between services: as a gRPC status with google.rpc details, and back into the same GatewayError. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type Code } from "@connectrpc/connect";
import { Metadata, status as GrpcCode, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import { StatusSchema } from "#gen/google/rpc/status_pb.ts";
import { fromConnectError, GatewayError, toConnectError, toGatewayError } from "../errors.ts";
import { mistrustIn } from "./mistrust.ts";
import type { PeerProtection } from "./peer-credentials.ts";

const detailsKey = "grpc-status-details-bin";

/** For tools that do not read the details. */
const maximumPlainCharacters = 512;

/** The status that tells a peer of what was thrown. */
export function toGrpcStatus(thrown: unknown): Pick<StatusObject, "code" | "details" | "metadata"> {
  const { code, rawMessage, details } = toConnectError(toGatewayError(thrown));
  const text = rawMessage.toWellFormed();
  const status = create(StatusSchema, { code, message: text });
  for (const detail of details) if ("desc" in detail) status.details.push(anyPack(detail.desc, create(detail.desc, detail.value)));
  const metadata = new Metadata();
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, status)));
  return { code: grpcCodeOf(code), details: text.slice(0, maximumPlainCharacters).toWellFormed(), metadata };
}

interface PeerFacts {
  readonly name: string;
  readonly address: string;
  readonly protection: PeerProtection;
}

/** What the peer threw; where no peer answered, DEPENDENCY_UNAVAILABLE that names it and says why. */
export function fromGrpcError({ code, details, metadata }: ServiceError, peer: PeerFacts): GatewayError {
  return thrownByPeer(metadata, peer) ?? saidByGrpc(code, details, peer);
}

/** What the peer threw, as the details in its trailers say; undefined without them. */
export function thrownByPeer(metadata: Metadata, { name }: PeerFacts): GatewayError | undefined {
  const [bytes] = metadata.get(detailsKey);
  if (bytes === undefined) return undefined;
  const status = fromBinary(StatusSchema, bytes as Buffer);
  const error = new ConnectError(status.message, connectCodeOf(status.code));
  // Connect reads details from their packed form.
  for (const { typeUrl, value } of status.details) error.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value });
  const thrown = fromConnectError(error);
  if (thrown.reason !== "PEER_REFUSED") return thrown;
  // That this process is not trusted is no fault of whoever called it.
  return unavailable(name, new Error(`The service ${name} refuses this process. ${thrown.message}`));
}

/** Why a call was not sent that still waited for its peer when this process stopped. */
export function notSentByClosed({ name }: PeerFacts): GatewayError {
  return unavailable(name, new Error(`This process stops and calls ${name} no more.`));
}

/** What gRPC says when it found no instance that is connected. */
export const noConnection = /No connection established|^Name resolution failed/;

/** No instance has begun the call: the one chosen was just closing the connection, or none was connected. */
export function wasNotSent({ code, details }: ServiceError): boolean {
  return code === GrpcCode.UNAVAILABLE && (details === "Stream refused by server" || noConnection.test(details));
}

/** What gRPC itself says, without a word of the peer. */
function saidByGrpc(code: GrpcCode, details: string, { name, address, protection }: PeerFacts): GatewayError {
  if (code === GrpcCode.DEADLINE_EXCEEDED) return new GatewayError("DEADLINE_EXCEEDED", `The call to ${name} took longer than it was given.`);
  if (code === GrpcCode.RESOURCE_EXHAUSTED) {
    return new GatewayError("BODY_TOO_LARGE", `A message of the call to ${name} is larger than services may send each other (limits.max_body_bytes). Ask for less at a time.`, { cause: new Error(details) });
  }
  return unavailable(name, new Error(unavailability(code, details, `The service ${name} at ${address}`, protection), { cause: details }));
}

/** What callers are told has no address in it; the operator finds the cause in the log. */
function unavailable(name: string, cause: Error): GatewayError {
  return new GatewayError("DEPENDENCY_UNAVAILABLE", `Weir's service ${name} does not answer at the moment; try again.`, { metadata: { service: name }, retryAfterMs: 1_000, cause });
}

function unavailability(code: GrpcCode, details: string, service: string, protection: PeerProtection): string {
  if (code === GrpcCode.UNIMPLEMENTED) return `${service} does not know this method. Check that peers names its internal port, and that it is not of an older version.`;
  const mistrust = mistrustIn(details, protection);
  if (mistrust !== undefined) return `${service} and this process cannot trust each other: ${mistrust}`;
  if (noConnection.test(details)) return `${service} cannot be reached. Check that it runs and that peers names its internal port.`;
  return `${service} broke off the call. Its log says why, if it did not just stop.`;
}

// gRPC and Connect number the codes alike; TypeScript sees two enums.
function connectCodeOf(code: unknown): Code {
  return code as Code;
}

function grpcCodeOf(code: unknown): StatusObject["code"] {
  return code as StatusObject["code"];
}

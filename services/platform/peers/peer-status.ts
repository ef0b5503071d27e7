/** Owns how an error travels between services: as a gRPC status with google.rpc details, and back into the same GatewayError. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type Code } from "@connectrpc/connect";
import { Metadata, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import { StatusSchema } from "#gen/google/rpc/status_pb.ts";
import { fromConnectError, GatewayError, toConnectError, toGatewayError } from "../errors.ts";

const detailsKey = "grpc-status-details-bin";

/** The status that tells a peer of what was thrown. */
export function toGrpcStatus(thrown: unknown): Pick<StatusObject, "code" | "details" | "metadata"> {
  const { code, rawMessage, details } = toConnectError(toGatewayError(thrown));
  const status = create(StatusSchema, { code, message: rawMessage });
  for (const detail of details) {
    if ("desc" in detail) status.details.push(anyPack(detail.desc, create(detail.desc, detail.value)));
  }
  const metadata = new Metadata();
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, status)));
  return { code: grpcCodeOf(code), details: rawMessage, metadata };
}

/** What the peer threw; where no peer answered, DEPENDENCY_UNAVAILABLE that names it and says why. */
export function fromGrpcError({ code, details, metadata }: ServiceError, peer: { readonly name: string; readonly address: string }): GatewayError {
  const [bytes] = metadata.get(detailsKey);
  if (bytes === undefined) return unreachable(code, details, peer);
  const status = fromBinary(StatusSchema, bytes as Buffer);
  const error = new ConnectError(status.message, connectCodeOf(status.code));
  // Connect reads details from their packed form.
  for (const { typeUrl, value } of status.details) error.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value });
  const thrown = fromConnectError(error);
  if (thrown.reason !== "PEER_REFUSED") return thrown;
  // That this process is not trusted is no fault of whoever called it.
  return new GatewayError("DEPENDENCY_UNAVAILABLE", `The service ${peer.name} refuses this process. ${thrown.message}`, { metadata: { service: peer.name }, cause: thrown });
}

/** What gRPC itself says, without a word of the peer: it could not be reached, or broke off. */
function unreachable(code: number, details: string, { name, address }: { readonly name: string; readonly address: string }): GatewayError {
  const { reason } = fromConnectError(new ConnectError(details, connectCodeOf(code)));
  if (reason === "CANCELLED" || reason === "DEADLINE_EXCEEDED") return new GatewayError(reason, `The call to ${name} ended: ${details}`);
  const isRefusal = /certificate|ssl|tls|handshake/i.test(details);
  const advice = isRefusal ? "Both sides need certificates of one authority, named in internal.tls." : "Check that it runs and that peers names its internal port.";
  const message = `The service ${name} at ${address} cannot be reached. ${advice}`;
  return new GatewayError("DEPENDENCY_UNAVAILABLE", message, { metadata: { service: name }, cause: new Error(details) });
}

// gRPC and Connect number the codes alike; TypeScript sees two enums.
function connectCodeOf(code: unknown): Code {
  return code as Code;
}

function grpcCodeOf(code: unknown): StatusObject["code"] {
  return code as StatusObject["code"];
}

/** Owns the words of what Connect refuses before a method is called, and of calls that reach none: typed errors in the caller's protocol, as all others are. */
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope, type UniversalServerResponse } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, createEndStreamSerialization, endStreamFlag, endStreamFromJson, errorFromJsonBytes, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { GatewayError, fromConnectError, toConnectError } from "#platform/errors.ts";

const envelopeHeadBytes = 5;

/** The error in the protocol of a request with this content type; in Connect's unary one where it has none. */
export function refusalResponse(contentType: string, error: ConnectError, header: Headers): UniversalServerResponse {
  header.set("content-type", contentType);
  if (contentType.startsWith("application/grpc-web")) {
    const trailer = trailerSerialize(setTrailerStatus(new Headers(), error));
    return { status: 200, header, body: bodyOf(encodeEnvelope(trailerFlag, trailer)) };
  }
  if (contentType.startsWith("application/grpc")) return { status: 200, header, body: bodyOf(), trailer: setTrailerStatus(new Headers(), error) };
  if (contentType.startsWith("application/connect+")) {
    const end = createEndStreamSerialization(undefined).serialize({ metadata: new Headers(), error });
    return { status: 200, header, body: bodyOf(encodeEnvelope(endStreamFlag, end)) };
  }
  header.set("content-type", "application/json");
  return { status: codeToHttpStatus(error.code), header, body: bodyOf(errorToJsonBytes(error, undefined)) };
}

/** What Connect itself refuses the request for, where this first piece of the response says that; undefined once a method has answered. */
export function ownRefusal({ status, header, trailer }: UniversalServerResponse, piece: Uint8Array | undefined): ConnectError | undefined {
  const contentType = header?.get("content-type") ?? "";
  if (contentType.startsWith("application/grpc-web")) return piece?.[0] === trailerFlag ? findTrailerError(trailerParse(piece.subarray(envelopeHeadBytes))) : undefined;
  if (contentType.startsWith("application/grpc")) return piece === undefined && trailer !== undefined ? findTrailerError(trailer) : undefined;
  if (contentType.startsWith("application/connect+")) return piece?.[0] === endStreamFlag ? endStreamFromJson(piece.subarray(envelopeHeadBytes)).error : undefined;
  if (status < 400 || piece === undefined) return undefined;
  return errorFromJsonBytes(piece, undefined, new ConnectError("the request cannot be read", Code.InvalidArgument));
}

/** The same with Weir's reason, and with what to do about it. */
export function explained(refusal: ConnectError, messageName: string, maximumBytes: number): GatewayError {
  const { code, rawMessage } = refusal;
  if (code === Code.ResourceExhausted) {
    const message = `The request is larger than ${maximumBytes} bytes, the bound set in limits.max_body_bytes; a compressed one counts as it is unpacked. Send less, or files by UploadFile.`;
    return new GatewayError("BODY_TOO_LARGE", message, { metadata: { limit_bytes: String(maximumBytes) } });
  }
  // Bytes that do not parse are the caller's fault; Connect calls that internal.
  if (rawMessage.startsWith("parse binary")) return new GatewayError("INVALID_REQUEST", `The request is no ${messageName} (${rawMessage}). Generate the stub from Weir's proto/.`);
  if (code === Code.InvalidArgument || code === Code.Unimplemented) return new GatewayError("INVALID_REQUEST", `${rawMessage}.`);
  return fromConnectError(refusal);
}

/** As `toConnectError`; of an encoding that is not known it keeps the code by which gRPC says so. */
export function explainedForCaller(refusal: ConnectError, error: GatewayError): ConnectError {
  const told = toConnectError(error);
  if (refusal.code !== Code.Unimplemented) return told;
  const unimplemented = new ConnectError(error.message, Code.Unimplemented);
  unimplemented.details = told.details;
  return unimplemented;
}

/** The response whose first piece was read, as if it were not. */
export function unread(body: AsyncIterator<Uint8Array>, first: IteratorResult<Uint8Array>): AsyncIterable<Uint8Array> {
  let isFirst = true;
  const next = (): Promise<IteratorResult<Uint8Array>> => {
    if (!isFirst) return body.next();
    isFirst = false;
    return Promise.resolve(first);
  };
  const done = Promise.resolve({ done: true, value: undefined } as const);
  return { [Symbol.asyncIterator]: () => ({ next, throw: (error) => body.throw?.(error) ?? done, return: () => body.return?.() ?? done }) };
}

async function* bodyOf(...pieces: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* pieces;
}

/** Owns the message of an RPC before it is decoded: read whole, unpacked, and bounded in its bytes and in what it holds. */
import type { IncomingHttpHeaders } from "node:http";
import type { DescMessage } from "@bufbuild/protobuf";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { encodeEnvelope, type Compression } from "@connectrpc/connect/protocol";
import { GatewayError } from "#platform/errors.ts";
import type { HttpRequest } from "#platform/http/listener.ts";
import { boundJsonValues, boundMessageValues } from "#platform/formats/value-bound.ts";
import { readBody } from "../read-body.ts";

export const compressions: Compression[] = [compressionGzip, compressionBrotli];

/** An import of 10,000 prices, the most that one takes, has 300,000. */
const mostValues = 500_000;

export interface MessageBounds {
  /** Of the body, and of the message as it is unpacked. */
  readonly maximumBytes: number;
  /** Ends the reading with its reason. */
  readonly signal: AbortSignal;
  /** Told how much is held, each time that it grows; what it throws refuses the request. */
  readonly count: (bytes: number) => void;
}

/**
 * The body of a request with one message of this schema, as if its caller had not packed it; its headers no longer say that it is.
 * Throws BODY_TOO_LARGE, INVALID_REQUEST when there are several messages, Connect's error when it cannot be unpacked, and what `readBody` throws.
 * What is no message, or is packed in a way that nobody knows, is left to Connect to refuse.
 */
export async function readMessage(request: HttpRequest, schema: DescMessage, { maximumBytes, signal, count }: MessageBounds): Promise<Uint8Array> {
  const { headers } = request;
  const contentType = headers["content-type"] ?? "";
  const isEnveloped = contentType.startsWith("application/grpc") || contentType.startsWith("application/connect+");
  const packing = packingOf(headers, contentType, isEnveloped);
  if (packing !== undefined) delete headers["content-encoding"];
  else if (headers["content-encoding"] !== undefined) return Buffer.alloc(0);
  const body = await readBody(request, { maximumBytes, setIn: "limits.max_body_bytes", signal, count });
  const form: Form = { packing, maximumBytes, count, bound: contentType.includes("json") ? (message) => boundJsonValues(message, mostValues) : (message) => boundMessageValues(schema, message, mostValues) };
  return isEnveloped ? openEnvelope(body, form) : openMessage(body, form);
}

interface Form {
  /** Undefined where the message is not packed, or as nobody knows. */
  readonly packing: Compression | undefined;
  readonly maximumBytes: number;
  readonly count: (bytes: number) => void;
  readonly bound: (message: Uint8Array) => void;
}

function packingOf(headers: IncomingHttpHeaders, contentType: string, isEnveloped: boolean): Compression | undefined {
  const header = !isEnveloped ? "content-encoding" : contentType.startsWith("application/grpc") ? "grpc-encoding" : "connect-content-encoding";
  return compressions.find(({ name }) => name === headers[header]);
}

const envelopeHeadBytes = 5;
const packedFlag = 1;

async function openEnvelope(body: Buffer, form: Form): Promise<Uint8Array> {
  const endBytes = body.length < envelopeHeadBytes ? Infinity : envelopeHeadBytes + body.readUInt32BE(1);
  if (body.length > endBytes) throw new GatewayError("INVALID_REQUEST", "The request carries more than one message; every method takes one.");
  const flags = body[0] ?? 0;
  const isPacked = (flags & packedFlag) !== 0;
  if (body.length < endBytes || (isPacked && form.packing === undefined)) return body;
  const message = body.subarray(envelopeHeadBytes);
  if (isPacked) return encodeEnvelope(flags & ~packedFlag, await openMessage(message, form));
  form.bound(message);
  return body;
}

async function openMessage(message: Uint8Array, { packing, maximumBytes, count, bound }: Form): Promise<Uint8Array> {
  const plain = packing === undefined ? message : await packing.decompress(message, maximumBytes);
  count(plain.length);
  bound(plain);
  return plain;
}

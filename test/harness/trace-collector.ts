/** Owns a collector of traces for tests: it takes OTLP over HTTP, and shows the spans that came. */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

export interface CollectedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first of a trace. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  /** As the protocol counts: 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }[];
  readonly isError: boolean;
}

export interface TraceCollector {
  /** Such as `http://127.0.0.1:40126/v1/traces`. */
  readonly endpoint: string;
  readonly spans: readonly CollectedSpan[];
  /** The requests as they came. */
  readonly requests: readonly { readonly headers: http.IncomingHttpHeaders; readonly body: Buffer }[];
  /** The status that it answers with from now on. */
  answerWith(status: number): void;
  stop(): Promise<void>;
}

export async function startTraceCollector(): Promise<TraceCollector> {
  const spans: CollectedSpan[] = [];
  const requests: { headers: http.IncomingHttpHeaders; body: Buffer }[] = [];
  let status = 200;
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      requests.push({ headers: request.headers, body });
      if (status === 200) spans.push(...spansOf(body));
      response.writeHead(status, { "content-type": "application/x-protobuf" }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    spans,
    requests,
    answerWith: (next) => void (status = next),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

// The messages of opentelemetry-proto (trace/v1/trace.proto, common/v1/common.proto), by the numbers of their fields.
function spansOf(request: Uint8Array): CollectedSpan[] {
  return bytesAt(request, 1).flatMap((resourceSpans) => {
    const [resource] = bytesAt(resourceSpans, 1);
    const service = String(attributesAt(resource!, 1)["service.name"]);
    return bytesAt(resourceSpans, 2).flatMap((scopeSpans) => bytesAt(scopeSpans, 2).map((span) => spanOf(span, service)));
  });
}

function spanOf(bytes: Uint8Array, service: string): CollectedSpan {
  return {
    service,
    traceId: hexAt(bytes, 1),
    spanId: hexAt(bytes, 2),
    traceState: textAt(bytes, 3),
    parentSpanId: hexAt(bytes, 4),
    name: textAt(bytes, 5),
    kind: numberAt(bytes, 6),
    attributes: attributesAt(bytes, 9),
    events: bytesAt(bytes, 11).map((event) => ({ name: textAt(event, 2), attributes: attributesAt(event, 3) })),
    isError: bytesAt(bytes, 15).some((state) => numberAt(state, 3) === 2),
  };
}

function attributesAt(message: Uint8Array, field: number): Record<string, unknown> {
  return Object.fromEntries(bytesAt(message, field).map((pair) => [textAt(pair, 1), valueOf(bytesAt(pair, 2)[0]!)]));
}

function valueOf(bytes: Uint8Array): unknown {
  const [[field, value]] = fieldsOf(bytes) as [[number, unknown]];
  if (field === 1) return Buffer.from(value as Uint8Array).toString();
  return field === 5 ? bytesAt(value as Uint8Array, 1).map(valueOf) : Number(value);
}

function bytesAt(message: Uint8Array, field: number): Uint8Array[] {
  return fieldsOf(message).flatMap(([number, value]) => (number === field && value instanceof Uint8Array ? [value] : []));
}

function textAt(message: Uint8Array, field: number): string {
  return Buffer.from(bytesAt(message, field)[0] ?? []).toString();
}

function hexAt(message: Uint8Array, field: number): string {
  return Buffer.from(bytesAt(message, field)[0] ?? []).toString("hex");
}

function numberAt(message: Uint8Array, field: number): number {
  return Number(fieldsOf(message).find(([number]) => number === field)?.[1] ?? 0);
}

function fieldsOf(message: Uint8Array): (readonly [field: number, value: Uint8Array | bigint])[] {
  const reader = new BinaryReader(message);
  const fields: (readonly [number, Uint8Array | bigint])[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) fields.push([field, reader.bytes()]);
    else if (type === WireType.Varint) fields.push([field, BigInt(reader.uint64())]);
    else if (type === WireType.Bit64) fields.push([field, BigInt(reader.fixed64())]);
    else fields.push([field, BigInt(reader.fixed32())]);
  }
  return fields;
}

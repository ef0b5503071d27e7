/** Calls that are refused before a method has them are told why as all others are: in the caller's protocol, with a reason and an id. */
import { once } from "node:events";
import { connect as connectHttp2, constants, type IncomingHttpHeaders } from "node:http2";
import { connect } from "node:net";
import { Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { credentials, Client as GrpcClient, Metadata, status, type ServiceError } from "@grpc/grpc-js";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "#gen/google/rpc/status_pb.ts";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { openRawConnection } from "../harness/raw-connection.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let weir: Weir;

const maximumBytes = 65_536;

beforeAll(async () => {
  weir = await startWeir({ config: `providers: { demo: { vendor: demo } }\nlimits: { max_body_bytes: ${maximumBytes} }\n` });
});
afterAll(() => weir?.stop());

const withKey: Interceptor = (next) => (request) => {
  request.header.set("authorization", `Bearer ${weir.inferenceKey}`);
  return next(request);
};

function transportsWith(interceptors: Interceptor[]): Readonly<Record<string, () => Transport>> {
  return {
    gRPC: () => createGrpcTransport({ baseUrl: weir.origin, interceptors }),
    "gRPC-Web": () => createGrpcWebTransport({ baseUrl: weir.origin, httpVersion: "1.1", interceptors }),
    Connect: () => createConnectTransport({ baseUrl: weir.origin, httpVersion: "1.1", interceptors }),
    "Connect in JSON": () => createConnectTransport({ baseUrl: weir.origin, httpVersion: "1.1", useBinaryFormat: false, interceptors }),
  };
}

const saying = (text: string) => ({ generation: { model: "demo/demo-chat", messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text } } }] }] } });

function told(error: unknown) {
  const { code, metadata, message } = ConnectError.from(error);
  const info = ConnectError.from(error).findDetails(ErrorInfoSchema)[0];
  return { code, reason: info?.reason, metadata: info?.metadata, requestId: metadata.get("x-request-id"), message };
}

describe.each(Object.entries(transportsWith([withKey])))("by %s", (_, transport) => {
  test("a message that is too large", async () => {
    const client = createClient(InferenceService, transport());
    const error = await client.generate(saying("x".repeat(maximumBytes + 1))).catch(told);
    expect(error).toMatchObject({ code: Code.ResourceExhausted, reason: "BODY_TOO_LARGE", metadata: { limit_bytes: String(maximumBytes) }, requestId: expect.stringMatching(/^req_/), message: expect.stringContaining("limits.max_body_bytes") });
  });

  test("the same, of a method that streams", async () => {
    const client = createClient(InferenceService, transport());
    const first = client.streamGenerate(saying("x".repeat(maximumBytes + 1)))[Symbol.asyncIterator]().next();
    expect(await first.catch(told)).toMatchObject({ code: Code.ResourceExhausted, reason: "BODY_TOO_LARGE", requestId: expect.stringMatching(/^req_/) });
  });

  test("a method that is none", async () => {
    const nothing = { ...InferenceService.method.generate, name: "Nothing" };
    const error = await transport().unary(nothing, undefined, undefined, undefined, saying("hello")).catch(told);
    expect(error).toMatchObject({ code: Code.Unimplemented, reason: "METHOD_NOT_FOUND", requestId: expect.stringMatching(/^req_/), message: expect.stringContaining("StreamGenerate") });
  });
});

describe("by gRPC", () => {
  test("thousands of faults in one message break off neither the call nor others of its connection", async () => {
    const metering = createClient(MeteringService, createGrpcTransport({ baseUrl: weir.origin }));
    const options = { headers: { authorization: `Bearer ${weir.adminKey}` } };
    const faulty = metering.importPrices({ prices: Array.from({ length: 3_000 }, () => ({})) }, options).catch(told);
    const other = metering.queryUsage({}, options);
    expect(await faulty).toMatchObject({ code: Code.InvalidArgument, reason: "INVALID_REQUEST", message: expect.stringMatching(/prices\[0\].+; and 5990 more/) });
    await expect(other).resolves.toBeDefined();
  });

  const keyMetadata = (): Metadata => Metadata.fromHttp2Headers({ authorization: `Bearer ${weir.inferenceKey}` });
  const call = async (path: string, bytes: string): Promise<{ code: number; reason: string }> => {
    const client = new GrpcClient(weir.authority, credentials.createInsecure());
    const asBytes = (value: string): Buffer => Buffer.from(value);
    const error = await new Promise<ServiceError>((resolve) => client.makeUnaryRequest(path, asBytes, String, bytes, keyMetadata(), (failure) => resolve(failure!)));
    client.close();
    const details = fromBinary(StatusSchema, error.metadata.get("grpc-status-details-bin")[0] as Buffer).details;
    return { code: error.code, reason: anyUnpack(details[0]!, ErrorInfoSchema)!.reason };
  };

  test("bytes that are no message are the caller's fault", async () => {
    expect(await call("/weir.inference.v1.InferenceService/Generate", "\x0a\x7f")).toEqual({ code: status.INVALID_ARGUMENT, reason: "INVALID_REQUEST" });
  });

  test("a caller who is refused amid its message is told to send no more of it", async () => {
    const session = connectHttp2(weir.origin);
    const stream = session.request({ ":method": "POST", ":path": "/weir.inference.v1.InferenceService/Generate", "content-type": "application/grpc", authorization: `Bearer ${weir.inferenceKey}` });
    const closed = once(stream, "close");
    stream.write(Buffer.concat([Buffer.from([0, 0, 1, 0, 1]), Buffer.alloc(maximumBytes + 1)]));
    // Node closes what was read to its end.
    stream.resume();
    const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
    expect(headers["grpc-status"]).toBe(String(status.RESOURCE_EXHAUSTED));
    await closed;
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
    session.destroy();
  }, 10_000);

  test("a service that is none", async () => {
    expect(await call("/acme.v1.Nothing/Do", "")).toEqual({ code: status.UNIMPLEMENTED, reason: "METHOD_NOT_FOUND" });
  });
});

test("whoever has no key is told so before the message is read", async () => {
  const refusal = { reason: "KEY_MISSING", requestId: expect.stringMatching(/^req_/) };
  for (const open of Object.values(transportsWith([]))) {
    const client = createClient(InferenceService, open());
    expect(await client.generate(saying("x".repeat(maximumBytes + 1))).catch(told)).toMatchObject(refusal);
    expect(await client.streamGenerate(saying("x".repeat(maximumBytes + 1)))[Symbol.asyncIterator]().next().catch(told)).toMatchObject(refusal);
  }
});

test.each(["POST PATH HTTP/1.0", "POST PATH HTTP/1.1\r\nhost: [::", "POST PATH HTTP/1.1\r\nhost: ", "POST PATH HTTP/1.1\r\nhost: a b"])("%j names no host: it is refused, and harms nobody", async (line) => {
  const connection = await openRawConnection(weir.origin);
  await connection.send(`${line.replace("PATH", "/weir.inference.v1.InferenceService/ListModels")}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`);
  expect(await connection.closed).toMatch(/^HTTP\/1\.1 400 [^]+INVALID_REQUEST/);
  expect((await fetch(`${weir.origin}/v1/models`, { headers: { authorization: `Bearer ${weir.inferenceKey}` } })).status).toBe(200);
});

describe("by Connect", () => {
  const post = async (body: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${weir.origin}/weir.inference.v1.InferenceService/Generate`, { method: "POST", body, headers: { "content-type": "application/json", authorization: `Bearer ${weir.inferenceKey}`, ...headers } });
    const { details } = (await response.json()) as { details: { debug: { reason: string } }[] };
    return { status: response.status, reason: details[0]!.debug.reason };
  };

  test("JSON that is none, or of other types", async () => {
    expect(await post("{oops")).toEqual({ status: 400, reason: "INVALID_REQUEST" });
    expect(await post('{"generation": {"model": 5}}')).toEqual({ status: 400, reason: "INVALID_REQUEST" });
  });

  test("a tool that must be called, but has no name", async () => {
    const body = { generation: { model: "demo/demo-chat", messages: [{ role: "ROLE_USER", parts: [{ text: { text: "hello" } }] }], toolChoice: { mode: "MODE_NAMED" } } };
    expect(await post(JSON.stringify(body))).toEqual({ status: 400, reason: "INVALID_REQUEST" });
  });

  test("an encoding that is not known keeps gRPC's code for it", async () => {
    expect(await post("{}", { "content-encoding": "zstd" })).toEqual({ status: 501, reason: "INVALID_REQUEST" });
  });

  test("a call behind one that was too large, on the same connection, is answered", async () => {
    const socket = connect(Number(new URL(weir.origin).port), "127.0.0.1");
    const heard: string[] = [];
    const answered = (status: string): Promise<void> =>
      new Promise((resolve) => {
        socket.on("data", (bytes) => {
          heard.push(String(bytes));
          if (heard.join("").includes(`HTTP/1.1 ${status}`)) resolve();
        });
      });
    await once(socket, "connect");
    const head = (more: string): string => `POST /weir.inference.v1.InferenceService/Generate HTTP/1.1\r\nhost: weir\r\nauthorization: Bearer ${weir.inferenceKey}\r\n${more}\r\n\r\n`;
    const piece = "x".repeat(maximumBytes);
    socket.write(head("content-type: application/proto\r\ntransfer-encoding: chunked"));
    for (let count = 0; count < 64; count++) socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    socket.write("0\r\n\r\n");
    await answered("429");
    socket.write(`${head("content-type: application/json\r\ncontent-length: 2")}{}`);
    await answered("400");
    socket.destroy();
  });
});

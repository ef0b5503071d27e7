/** Owns the proof that no body takes much more memory or time than its bytes, once it is unpacked and decoded: who sends one is refused before that. */
import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { GenerateRequestSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { openRawConnection } from "../harness/raw-connection.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const mebibyte = 1024 * 1024;
const largeBytes = 30 * mebibyte;
/** What a caller's body of this size may take beside itself: its text, and what is read of it. */
const mostGrowthBytes = 400 * mebibyte;
const generatePath = "/weir.inference.v1.InferenceService/Generate";
const guardrailPath = "/weir.policy.v1.PolicyService/CreateGuardrail";

let weir: Weir;

beforeAll(async () => {
  weir = await startWeir({ config: "{ providers: { demo: { vendor: demo } }, limits: { max_media_bytes: 67108864 }, logging: { level: warn } }" });
});
afterAll(() => weir?.stop());

/** A field that nobody knows, of no bytes, again and again. */
const unknownFields = Buffer.alloc(largeBytes, Buffer.of(0xfa, 0x01, 0));
const emptyMessages = nested(1, Buffer.alloc(largeBytes, Buffer.of(0x12, 0)));
const emptyTopics = nested(1, Buffer.alloc(largeBytes, Buffer.of(0xc2, 0x01, 0)));
const emptyObjects = Buffer.from(`{"model":"demo/demo-chat","max_tokens":1,"messages":[${"{},".repeat(largeBytes / 3)}{}]}`);
const lists = Buffer.from(`{"model":"demo/demo-chat","input":[${"1,".repeat(largeBytes / 2)}1]}`);

type Case = readonly [what: string, path: string, body: Buffer<ArrayBuffer>, headers: Record<string, string>];
const cases: readonly Case[] = [
  ["Protobuf", generatePath, unknownFields, { "content-type": "application/proto" }],
  ["Protobuf of inner messages", generatePath, emptyMessages, { "content-type": "application/proto" }],
  ["packed Protobuf", generatePath, gzipSync(emptyMessages), { "content-type": "application/proto", "content-encoding": "gzip" }],
  ["gRPC-Web", generatePath, enveloped(emptyMessages, 0), { "content-type": "application/grpc-web+proto" }],
  ["packed gRPC-Web", generatePath, enveloped(brotliCompressSync(emptyMessages), 1), { "content-type": "application/grpc-web+proto", "grpc-encoding": "br" }],
  ["Protobuf for managers", guardrailPath, emptyTopics, { "content-type": "application/proto" }],
  ["Connect's JSON", generatePath, Buffer.from(`{"generation":{"messages":[${"{},".repeat(largeBytes / 3)}{}]}}`), { "content-type": "application/json" }],
  ["OpenAI's JSON", "/v1/chat/completions", emptyObjects, { "content-type": "application/json" }],
  ["Anthropic's JSON", "/v1/messages", emptyObjects, { "content-type": "application/json", "anthropic-version": "2023-06-01" }],
  ["OpenAI's tokens", "/v1/embeddings", lists, { "content-type": "application/json" }],
];

async function send(path: string, body: Buffer<ArrayBuffer>, headers: Record<string, string>): Promise<string> {
  const response = await fetch(weir.origin + path, { method: "POST", headers, body });
  // In gRPC-Web's trailers, which are in the body, spaces are written so.
  return `${response.status} ${(await response.text()).replaceAll("%20", " ")}`;
}

function peakBytes(): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${weir.processes[0]!.pid}/status`, "utf8"))!;
  return Number(kilobytes) * 1024;
}

test.each(cases)("%s is refused for what it holds", async (_, path, body, headers) => {
  const before = peakBytes();
  expect(await send(path, body, { ...headers, authorization: `Bearer ${weir.adminKey}` })).toMatch(/holds more than (1000000|500000|250000) values/);
  expect(peakBytes() - before).toBeLessThan(mostGrowthBytes);
});

test.each(cases.filter(([, path]) => path.startsWith("/weir.")))("%s of a caller without a key is not looked at", async (_, path, body, headers) => {
  const before = peakBytes();
  expect(await send(path, body, headers)).toContain("The call carries no key");
  expect(peakBytes() - before).toBeLessThan(64 * mebibyte);
});

test.each(["/v1/chat/completions", "/v1/audio/transcriptions", generatePath])("%s: bodies that do not come to their end are held within one bound", async (path) => {
  const before = peakBytes();
  const piece = Buffer.alloc(20 * mebibyte, " ");
  const connections = await Promise.all(Array.from({ length: 10 }, () => openRawConnection(weir.origin)));
  for (const connection of connections) {
    await connection.send(`POST ${path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\nauthorization: Bearer ${weir.inferenceKey}\r\ncontent-type: ${path.startsWith("/v1/audio") ? "multipart/form-data; boundary=b" : "application/json"}\r\ncontent-length: ${largeBytes}\r\n\r\n`);
    connection.socket.write(piece);
  }
  const answers: string[] = [];
  for (const connection of connections) connection.socket.on("data", (bytes: Buffer) => answers.push(String(bytes).slice(0, 12)));
  await expect.poll(() => answers.filter((answer) => answer === "HTTP/1.1 503").length).toBe(7);
  expect(peakBytes() - before).toBeLessThan(mostGrowthBytes);
  for (const connection of connections) connection.socket.destroy();
});

test("what is as long, and holds little, is served", async () => {
  const text = `"\\,[{`.repeat(largeBytes / 8);
  const request = create(GenerateRequestSchema, { generation: { model: "demo/demo-chat", messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text } } }] }] } });
  const authorization = `Bearer ${weir.inferenceKey}`;
  expect(await send(generatePath, Buffer.from(toBinary(GenerateRequestSchema, request)), { authorization, "content-type": "application/proto" })).toMatch(/^200 /);
  expect(await send(generatePath, Buffer.from(toJsonString(GenerateRequestSchema, request)), { authorization, "content-type": "application/json" })).toMatch(/^200 /);
});

/** A message's field of this number with these bytes. */
function nested(number: number, bytes: Buffer): Buffer<ArrayBuffer> {
  const length: number[] = [];
  for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      length.push(rest);
      return Buffer.concat([Buffer.of((number << 3) | 2, ...length), bytes]);
    }
    length.push((rest % 128) | 128);
  }
}

function enveloped(message: Buffer, flags: number): Buffer<ArrayBuffer> {
  const envelope = Buffer.alloc(5 + message.length);
  envelope.writeUInt8(flags, 0);
  envelope.writeUInt32BE(message.length, 1);
  message.copy(envelope, 5);
  return envelope;
}

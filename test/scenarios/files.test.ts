/** Proves that files lie with the vendor and belong to one organization, though all share the account: by OpenAI's own client, and by Anthropic's. */
import Anthropic from "@anthropic-ai/sdk";
import { Code } from "@connectrpc/connect";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Role as MessageRole } from "#gen/weir/inference/v1/content_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { readForm } from "#platform/formats/multipart.ts";
import { AnthropicFileAccount } from "../harness/anthropic-file-account.ts";
import { json, startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

interface KeptFile {
  readonly id: string;
  readonly filename: string;
  readonly content: Buffer;
}

const anthropicAccount = new AnthropicFileAccount();
let upstream: ScriptedProvider;
let anthropicUpstream: ScriptedProvider;
let weir: Weir;
let client: OpenAI;
let stranger: OpenAI;
let claude: Anthropic;
let claudeStranger: Anthropic;
let bound: OpenAI;
let kept: KeptFile[];
let strangerKey: string;
let ownTeamId: string;

/** As OpenAI has it: https://developers.openai.com/api/reference/resources/files */
const account: Answer = async (request, response) => {
  const { pathname, searchParams } = new URL(request.path, "http://vendor");
  const [, , resource, id, part] = pathname.split("/");
  if (resource !== "files") return json(200, { id: "resp_1", object: "response", status: "completed", output: [], usage: { input_tokens: 1, output_tokens: 1 } })(request, response);
  const shown = ({ id: fileId, filename, content }: KeptFile): object => ({ id: fileId, object: "file", bytes: content.length, created_at: 1_790_000_000, filename, purpose: "user_data", of_tomorrow: 1 });
  if (request.method === "POST") {
    const form = await readForm(request.body, request.headers["content-type"]!);
    const file = form.part("file")!;
    kept.push({ id: `file-${kept.length}`, filename: file.filename!, content: Buffer.from(file.content) });
    return json(200, shown(kept.at(-1)!))(request, response);
  }
  if (id === undefined) {
    const start = kept.findIndex((file) => file.id === searchParams.get("after")) + 1;
    const page = kept.slice(start, start + 2);
    return json(200, { object: "list", data: page.map(shown), has_more: start + 2 < kept.length })(request, response);
  }
  const file = kept.find((one) => one.id === id);
  if (file === undefined) return json(404, { error: { message: "No such File object", type: "invalid_request_error", param: "id", code: null } })(request, response);
  if (request.method === "DELETE") {
    kept = kept.filter((one) => one !== file);
    return json(200, { id, object: "file", deleted: true })(request, response);
  }
  if (part !== "content") return json(200, shown(file))(request, response);
  response.writeHead(200, { "content-type": "application/json" }).end(file.content);
};

beforeAll(async () => {
  upstream = await startScriptedProvider(account);
  anthropicUpstream = await startScriptedProvider(anthropicAccount.answer);
  weir = await startWeir({
    config: `
providers:
  oai: { vendor: openai, api_key: sk-secret, base_url: "${upstream.baseUrl}", responses_api: true, models: [m], only_listed_models: true }
  chat: { vendor: openai, api_key: sk-secret, base_url: "${upstream.baseUrl}" }
  ant: { vendor: anthropic, api_key: sk-secret, base_url: "${anthropicUpstream.baseUrl}" }
routes: { both: { targets: [ant/claude, oai/m] } }
limits: { max_body_bytes: 1048576 }
`,
  });
  const policy = weir.client(PolicyService);
  const { organization } = await policy.createOrganization({ name: "other" });
  const { team } = await policy.createTeam({ organizationId: organization!.id, name: "team" });
  const { secret } = await policy.createKey({ teamId: team!.id, name: "key", role: Role.INFERENCE });
  const { teams } = await policy.listTeams({ pageSize: 100 });
  const own = teams.find(({ name }) => name === "default")!;
  const { secret: boundSecret } = await policy.createKey({ teamId: own.id, name: "bound", role: Role.INFERENCE, scope: { models: ["ant/*"] } });
  const as = (apiKey: string): OpenAI => new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey, maxRetries: 0 });
  client = as(weir.inferenceKey);
  stranger = as(secret);
  const asClaude = (apiKey: string): Anthropic => new Anthropic({ baseURL: weir.origin, apiKey, maxRetries: 0 });
  claude = asClaude(weir.inferenceKey);
  claudeStranger = asClaude(secret);
  strangerKey = secret;
  ownTeamId = own.id;
  bound = as(boundSecret);
});
beforeEach(() => (kept = [{ id: "file-of-the-operator", filename: "secret.pdf", content: Buffer.from("secret") }]));
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
  await anthropicUpstream?.stop();
});

const upload = async (owner = client, name = "Grüße.pdf"): Promise<OpenAI.FileObject> => owner.files.create({ file: await toFile(Buffer.from('{"a":1}'), name), purpose: "user_data" });

test("the openai SDK uploads, looks up, reads, lists and deletes", async () => {
  const { data: file, response } = await client.files.create({ file: await toFile(Buffer.from('{"a":1}'), "Grüße.pdf"), purpose: "user_data" }).withResponse();
  expect(file).toMatchObject({ filename: "Grüße.pdf", bytes: 7, purpose: "user_data", of_tomorrow: 1 });
  expect(upstream.requests.at(-1)!.headers["authorization"]).toBe("Bearer sk-secret");
  const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
  expect(attempt!.event).toMatchObject({ intent: { operation: "files", provider: "oai" }, outcome: { usage: { source: UsageSource.PROVIDER, quantities: [] } } });
  expect(attempt!.costNanos).toBe(0n);
  expect(await client.files.retrieve(file.id)).toEqual(file);
  expect(await (await client.files.content(file.id)).text()).toBe('{"a":1}');
  expect((await client.files.list()).data).toEqual([file]);
  expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: "file", deleted: true });
  await expect(client.files.retrieve(file.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
});

test("a list holds the organization's own files alone, page by page", async () => {
  const own: string[] = [];
  for (let index = 0; index < 5; index++) {
    own.push((await upload(client, `${index}.pdf`)).id);
    await upload(stranger);
  }
  const listed: string[] = [];
  for await (const { id } of client.files.list({ limit: 2, order: "asc" })) listed.push(id);
  expect(listed).toEqual(own);
  const page = await client.files.list({ limit: 2 });
  expect(page.data.map(({ filename }) => filename)).toEqual(["0.pdf", "1.pdf"]);
  expect(page.has_more).toBe(true);
});

test("what is another organization's, or the operator's, is not there", async () => {
  const { id } = await upload();
  const place = upstream.requests.length;
  for (const foreign of [id, "file-0", "file-of-the-operator", `${id.split(".")[0]}.oai.AAAAAAAAAAAAAAAAAAAAAA`]) {
    await expect(stranger.files.retrieve(foreign)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(stranger.files.content(foreign)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(stranger.files.delete(foreign)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(stranger.responses.create({ model: "oai/m", input: [{ role: "user", content: [{ type: "input_file", file_id: foreign }] }] })).rejects.toMatchObject({ status: 400, param: "input[0].content[0].file_id" });
  }
  await expect(bound.files.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  await expect(upload(bound)).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError);
  expect(upstream.requests).toHaveLength(place);
});

test("a file of one's own goes to its vendor under the vendor's id, through bytes, types and routes, and to no other", async () => {
  const { id } = await upload();
  const input = [{ role: "user" as const, content: [{ type: "input_file" as const, file_id: id }] }];
  for (const model of ["oai/m", "both"]) {
    const place = upstream.requests.length;
    const { response } = await client.responses.create({ model, input }).withResponse();
    expect(response.headers.get("x-weir-target")).toBe("oai/m");
    expect(upstream.requests.slice(place).map(({ body }) => (JSON.parse(body.toString()) as { input: unknown }).input)).toEqual([[{ role: "user", content: [{ type: "input_file", file_id: "file-1" }] }]]);
  }
  await expect(client.responses.create({ model: "chat/m", input })).rejects.toMatchObject({ status: 400, message: expect.stringContaining("lies with oai") });

  upstream.answerWith(json(200, { id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }] }));
  const parts = [{ kind: { case: "file" as const, value: { media: { source: { case: "fileId" as const, value: id } } } } }];
  await weir.client(InferenceService, weir.inferenceKey).generate({ generation: { model: "oai/m", messages: [{ role: MessageRole.USER, parts }] } });
  upstream.answerWith(account);
  expect(upstream.requests.at(-1)!.body.toString()).toContain('"file_id":"file-1"');
});

test("the RPCs do the same, by the same rules", async () => {
  const rpc = weir.client(InferenceService, weir.inferenceKey);
  const { file } = await rpc.uploadFile({ provider: "oai", filename: "Grüße.pdf", purpose: "user_data", content: Buffer.from("hello"), mediaType: "application/pdf" });
  expect(file).toMatchObject({ filename: "Grüße.pdf", purpose: "user_data", sizeBytes: 5n, createTime: { seconds: 1_790_000_000n } });
  expect(await client.files.retrieve(file!.id)).toMatchObject({ id: file!.id, filename: "Grüße.pdf" });
  const other = await upload();
  expect((await rpc.getFile({ id: other.id })).file).toMatchObject({ id: other.id, filename: other.filename });
  await upload(stranger);
  const listed: string[] = [];
  for (let pageToken = "", page = 0; page === 0 || pageToken !== ""; page++) {
    const { files, nextPageToken } = await rpc.listFiles({ provider: "oai", pageSize: 1, pageToken });
    listed.push(...files.map(({ id }) => id));
    pageToken = nextPageToken;
  }
  expect(listed).toEqual([file!.id, other.id]);
  const pieces: Uint8Array[] = [];
  for await (const { content } of rpc.readFile({ id: file!.id })) pieces.push(content);
  expect(Buffer.concat(pieces).toString()).toBe("hello");
  const strange = weir.client(InferenceService, strangerKey);
  for (const ask of [() => strange.getFile({ id: file!.id }), () => strange.deleteFile({ id: file!.id }), () => rpc.getFile({ id: "file-of-the-operator" })]) await expect(ask()).rejects.toMatchObject({ code: Code.NotFound });
  await expect(async () => { for await (const piece of strange.readFile({ id: file!.id })) pieces.push(piece.content); }).rejects.toMatchObject({ code: Code.NotFound });
  await expect(rpc.uploadFile({ provider: "oai", filename: "a", purpose: "fine-tune", content: Buffer.from("a") })).rejects.toMatchObject({ code: Code.InvalidArgument });
  await expect(rpc.uploadFile({ filename: "a", purpose: "vision", content: Buffer.from("a") })).rejects.toMatchObject({ code: Code.InvalidArgument, message: expect.stringContaining("provider must name a provider that keeps files: ant, oai") });
  await rpc.deleteFile({ id: file!.id });
  await expect(rpc.getFile({ id: file!.id })).rejects.toMatchObject({ code: Code.NotFound });
});

const claudeUpload = async (owner = claude, name = "Grüße.pdf"): Promise<Anthropic.FileMetadata> => owner.files.upload({ file: await toFile(Buffer.from("hello"), name, { type: "application/pdf" }) });

test("Anthropic's SDK uploads, looks up, reads, lists, names in a message and deletes", async () => {
  anthropicAccount.files = [];
  const file = await claude.files.upload({ file: await toFile(Buffer.from("hello"), "Grüße.pdf", { type: "application/pdf" }), expires_in_seconds: 3600 });
  expect(file).toMatchObject({ type: "file", filename: "Grüße.pdf", size_bytes: 5, mime_type: "application/pdf", of_tomorrow: 1 });
  const [sent] = anthropicUpstream.requests.slice(-1);
  expect(sent!.headers).toMatchObject({ "x-api-key": "sk-secret", "anthropic-version": "2023-06-01" });
  expect((await readForm(sent!.body, sent!.headers["content-type"]!)).text("expires_in_seconds")).toBe("3600");
  expect(await claude.files.retrieveMetadata(file.id)).toEqual(file);
  expect(await (await claude.files.download(file.id)).text()).toBe("hello");
  expect((await claude.files.list()).data).toEqual([file]);

  const content = [{ type: "document" as const, source: { type: "file" as const, file_id: file.id } }];
  await claude.messages.create({ model: "ant/claude", max_tokens: 10, messages: [{ role: "user", content }] });
  expect(anthropicUpstream.requests.at(-1)!.body.toString()).toContain('"file_id":"file_1"');
  await client.chat.completions.create({ model: "ant/claude", messages: [{ role: "user", content: [{ type: "file", file: { file_id: file.id } }] }] });
  expect(JSON.parse(anthropicUpstream.requests.at(-1)!.body.toString())).toMatchObject({ messages: [{ content: [{ type: "document", source: { type: "file", file_id: "file_1" } }] }] });

  expect(await claude.files.delete(file.id)).toEqual({ id: file.id, type: "file_deleted" });
  await expect(claude.files.retrieveMetadata(file.id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
});

test("a list at Anthropic holds the organization's own files alone, page by page, whatever others upload meanwhile", async () => {
  anthropicAccount.files = [];
  const own: string[] = [];
  for (let index = 0; index < 5; index++) {
    own.unshift((await claudeUpload(claude, `${index}.pdf`)).id);
    await claudeUpload(claudeStranger);
    anthropicAccount.keep("made-by-a-tool.csv", Buffer.from("1"));
  }
  const listed: string[] = [];
  for await (const { id } of claude.files.list({ limit: 2 })) {
    await claudeUpload(claudeStranger);
    listed.push(id);
  }
  expect(listed).toEqual(own);
  expect((await claude.files.list({ ids: [own[3]!, "file_1", (await claudeUpload(claudeStranger)).id] })).data.map(({ id }) => id)).toEqual([own[3]]);
  // As clients did while the API was in beta.
  const beta = await fetch(`${weir.origin}/v1/files?limit=2&after_id=${own[1]}`, { headers: { "x-api-key": weir.inferenceKey, "anthropic-version": "2023-06-01", "anthropic-beta": "files-api-2025-04-14" } });
  expect(anthropicUpstream.requests.at(-1)!.headers["anthropic-beta"]).toBe("files-api-2025-04-14");
  expect(await beta.json()).toMatchObject({ data: [{ id: own[2] }, { id: own[3] }], has_more: true, first_id: own[2], last_id: own[3] });
});

test("what is another organization's at Anthropic, or another vendor's, is not there", async () => {
  const { id } = await claudeUpload();
  const { id: elsewhere } = await upload();
  const place = anthropicUpstream.requests.length;
  for (const [asker, foreign] of [[claudeStranger, id], [claude, "file_1"], [claude, elsewhere]] as const) {
    await expect(asker.files.retrieveMetadata(foreign)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    await expect(asker.files.download(foreign)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    await expect(asker.files.delete(foreign)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  }
  await expect(client.files.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  for (const page of [elsewhere, "file_1"]) await expect(claude.files.list({ page })).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  await expect(claudeStranger.files.list({ page: id })).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  expect(anthropicUpstream.requests).toHaveLength(place);
});

test("the RPCs keep files at Anthropic as at OpenAI", async () => {
  anthropicAccount.files = [];
  const rpc = weir.client(InferenceService, weir.inferenceKey);
  const own: string[] = [];
  for (const filename of ["a.pdf", "b.pdf", "c.pdf"]) {
    const { file } = await rpc.uploadFile({ provider: "ant", filename, content: Buffer.from("hello"), mediaType: "application/pdf" });
    expect(file).toMatchObject({ filename, purpose: "", sizeBytes: 5n, createTime: { seconds: 1_790_009_600n } });
    own.unshift(file!.id);
  }
  // What stands before a folder goes at the vendor; the mark of whose it is must not.
  const { file: inFolder } = await rpc.uploadFile({ provider: "ant", filename: "folder/d.pdf", content: Buffer.from("hello") });
  expect(inFolder).toMatchObject({ filename: "d.pdf" });
  own.unshift(inFolder!.id);
  const listed: string[] = [];
  for (let pageToken = "", page = 0; page === 0 || pageToken !== ""; page++) {
    const { files, nextPageToken } = await rpc.listFiles({ provider: "ant", pageSize: 2, pageToken });
    listed.push(...files.map(({ id }) => id));
    pageToken = nextPageToken;
  }
  expect(listed).toEqual(own);
  expect((await rpc.getFile({ id: own[0]! })).file).toMatchObject({ id: own[0], filename: "d.pdf" });
  const pieces: Uint8Array[] = [];
  for await (const { content } of rpc.readFile({ id: own[0]! })) pieces.push(content);
  expect(Buffer.concat(pieces).toString()).toBe("hello");
  await rpc.deleteFile({ id: own[0]! });
  await expect(rpc.getFile({ id: own[0]! })).rejects.toMatchObject({ code: Code.NotFound });
});

test("a key that may not generate keeps no files, through no door", async () => {
  const { secret } = await weir.client(PolicyService).createKey({ teamId: ownTeamId, name: "embedder", role: Role.INFERENCE, scope: { operations: ["Embed"] } });
  await expect(weir.client(InferenceService, secret).listFiles({})).rejects.toMatchObject({ code: Code.PermissionDenied });
  await expect(new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: secret, maxRetries: 0 }).files.list()).rejects.toMatchObject({ status: 403, code: "operation_not_allowed" });
});

test("a token keeps no files, and sees none, through no door: who holds it may be a stranger", async () => {
  const { token } = await weir.client(PolicyService, weir.inferenceKey).createToken({});
  await upload();
  const place = upstream.requests.length;
  await expect(weir.client(InferenceService, token).listFiles({})).rejects.toMatchObject({ code: Code.PermissionDenied });
  const page = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: token, maxRetries: 0 });
  for (const ask of [() => page.files.list(), () => upload(page), () => page.batches.list()]) await expect(ask()).rejects.toMatchObject({ status: 403 });
  expect(upstream.requests).toHaveLength(place);
});

test("what cannot be kept is refused before a vendor hears of it", async () => {
  const place = upstream.requests.length;
  const file = await toFile(Buffer.from("x"), "a.jsonl");
  await expect(client.files.create({ file, purpose: "fine-tune" })).rejects.toMatchObject({ status: 400, param: "purpose" });
  await expect(client.files.create({ file: await toFile(Buffer.alloc(2 * 1024 * 1024), "a"), purpose: "user_data" })).rejects.toMatchObject({ status: 413 });
  await expect(client.files.create({ file, purpose: "user_data" }, { headers: { "x-weir-provider": "ant" } })).rejects.toMatchObject({ status: 400, param: "x-weir-provider" });
  await expect(client.files.list({ limit: 0 })).rejects.toMatchObject({ status: 400, param: "limit" });
  expect(upstream.requests).toHaveLength(place);
});

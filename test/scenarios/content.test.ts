/** Proves kept content through a running Weir: through each door, only for who wants it, read only by who may, and never unnoticed. */
import { once } from "node:events";
import { readFile, rename, writeFile } from "node:fs/promises";
import { connect } from "node:http2";
import { text } from "node:stream/consumers";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { parse, stringify } from "yaml";
import { Role as Speaker } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { ReadContentResponse } from "#gen/weir/metering/v1/content_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { runWeir } from "../harness/run-weir.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

interface Tenant {
  readonly organizationId: string;
  readonly inference: string;
  readonly owner: string;
  readonly billing: string;
}

let weir: Weir;
let keeping: Tenant;
let other: Tenant;

beforeAll(async () => {
  weir = await startWeir();
  [keeping, other] = [await createTenant("keeping"), await createTenant("other")];
  await reload({ organizations: [keeping.organizationId], key: Buffer.alloc(32, 7).toString("base64") });
});
afterAll(() => weir?.stop());

async function reload(content: object): Promise<void> {
  const reloaded = (): number => weir.log().filter(({ msg }) => msg === "configuration reloaded").length;
  const before = reloaded();
  const config = { ...(parse(await readFile(weir.configPath, "utf8")) as object | null), content };
  await writeFile(`${weir.configPath}.new`, stringify(config));
  await rename(`${weir.configPath}.new`, weir.configPath);
  await vi.waitFor(() => expect(reloaded()).toBe(before + weir.processes.length), { timeout: 20_000, interval: 50 });
}

async function createTenant(name: string): Promise<Tenant> {
  const policy = weir.client(PolicyService);
  const organizationId = (await policy.createOrganization({ name })).organization!.id;
  const teamId = (await policy.createTeam({ organizationId, name })).team!.id;
  const secretOf = async (role: Role): Promise<string> => (await policy.createKey({ teamId, name: `role ${role}`, role })).secret;
  return { organizationId, inference: await secretOf(Role.INFERENCE), owner: await secretOf(Role.OWNER), billing: await secretOf(Role.BILLING) };
}

async function chat(key: string, question: string, stream: boolean): Promise<{ callId: string; body: string }> {
  const request = JSON.stringify({ model: "demo/demo-chat", stream, messages: [{ role: "user", content: question }] });
  const response = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body: request });
  return { callId: response.headers.get("x-request-id")!, body: await response.text() };
}

function read(key: string, callId: string): Promise<ReadContentResponse> {
  return weir.client(MeteringService, key).readContent({ callId });
}

async function kept(callId: string): Promise<{ request: string; reply: string }> {
  await expect.poll(() => read(keeping.owner, callId).then(() => "kept", (error: Error) => error.message), { timeout: 20_000, interval: 50 }).toBe("kept");
  const { content } = await read(keeping.owner, callId);
  return { request: Buffer.from(content!.request).toString(), reply: Buffer.from(content!.reply).toString() };
}

test.each([false, true])("a call by HTTP is kept as the caller saw it (stream: %s)", async (stream) => {
  const { callId, body } = await chat(keeping.inference, "a question to keep", stream);
  const content = await kept(callId);
  expect(content.reply).toBe(body);
  expect(JSON.parse(content.request)).toMatchObject({ messages: [{ content: "a question to keep" }] });
});

test("the command shows a call to who may read it", async () => {
  const { callId, body } = await chat(keeping.inference, "to be shown", false);
  await kept(callId);
  const environment = { WEIR_ADDRESS: weir.origin, WEIR_ADMIN_KEY: weir.adminKey };
  expect((await runWeir(["content", "show", callId], { environment })).stderr).toMatch(/^There are \d organizations; name one/);
  const { stdout } = await runWeir(["content", "show", callId, "--organization", keeping.organizationId], { environment });
  expect(stdout).toMatch(/── request, \d+ bytes ──\n.*to be shown/);
  expect(stdout).toContain(body);
});

test("a call over HTTP/2 is kept once", async () => {
  const session = connect(weir.origin);
  const stream = session.request({ ":method": "POST", ":path": "/v1/chat/completions", authorization: `Bearer ${keeping.inference}`, "content-type": "application/json" });
  const callId = once(stream, "response").then(([headers]) => (headers as Record<string, string>)["x-request-id"]!);
  stream.end(JSON.stringify({ model: "demo/demo-chat", messages: [{ role: "user", content: "by HTTP/2" }] }));
  const body = await text(stream);
  session.close();
  expect((await kept(await callId)).reply).toBe(body);
});

test("a call by RPC is kept, in one piece and as a stream", async () => {
  const client = weir.client(InferenceService, keeping.inference);
  const generation = { generation: { model: "demo/demo-chat", messages: [{ role: Speaker.USER, parts: [{ kind: { case: "text" as const, value: { text: "an rpc to keep" } } }] }] } };
  const { requestId } = await client.generate(generation);
  expect((await kept(requestId)).request).toContain("an rpc to keep");
  let streamId = "";
  let messages = 0;
  for await (const { event } of client.streamGenerate(generation)) {
    messages++;
    if (event.case === "start") streamId = event.value.requestId;
  }
  expect((await kept(streamId)).reply.trimEnd().split("\n")).toHaveLength(messages);
});

test("nothing is kept of an organization that does not want it", async () => {
  const { callId } = await chat(other.inference, "not to be kept", false);
  await kept((await chat(keeping.inference, "after it", false)).callId);
  await expect(read(other.owner, callId)).rejects.toMatchObject({ code: Code.NotFound });
});

test("who reads is noted, who may not is refused and noted, and what is erased is gone", async () => {
  const { callId } = await chat(keeping.inference, "to be erased", false);
  await kept(callId);
  await expect(read(keeping.billing, callId)).rejects.toMatchObject({ code: Code.PermissionDenied });
  await expect(read(other.owner, callId)).rejects.toMatchObject({ code: Code.NotFound });
  await expect(weir.client(MeteringService, other.owner).readContent({ organizationId: keeping.organizationId, callId })).rejects.toMatchObject({ code: Code.PermissionDenied });
  const { entries } = await weir.client(MeteringService, keeping.owner).listAuditEntries({ method: "ReadContent" });
  const reads = entries.filter(({ requestJson }) => requestJson.includes(callId)).map(({ outcome }) => outcome);
  expect(reads.slice(0, 2)).toEqual(["PERMISSION_DENIED", "ok"]);
  await weir.client(MeteringService, keeping.owner).eraseContent({});
  await expect(read(keeping.owner, callId)).rejects.toMatchObject({ code: Code.NotFound });
  expect((await weir.client(MeteringService, keeping.owner).verifyAuditLog({})).faults).toEqual([]);
});

test("an organization whose content cannot be kept holds up no other's, and says so", async () => {
  const third = await createTenant("third");
  await kept((await chat(keeping.inference, "makes the data key", false)).callId);
  await reload({ organizations: [keeping.organizationId, third.organizationId], key: Buffer.alloc(32, 8).toString("base64") });
  const stuck = await chat(keeping.inference, "waits", false);
  const { callId } = await chat(third.inference, "is kept at once", false);
  await expect.poll(() => read(third.owner, callId).then(() => "kept", (error: Error) => error.message), { timeout: 20_000, interval: 50 }).toBe("kept");
  const isTold = ({ msg, organizationId }: Readonly<Record<string, unknown>>): boolean => msg === "content is not kept yet; trying again" && organizationId === keeping.organizationId;
  await expect.poll(() => weir.log().some(isTold), { timeout: 20_000 }).toBe(true);
  const heldUp = async (): Promise<boolean> => (await Promise.all(weir.processes.map(async ({ adminOrigin }) => (await fetch(`${adminOrigin}/metrics`)).text()))).some((metrics) => metrics.includes("weir_contents_held_up 1"));
  await expect.poll(heldUp, { timeout: 20_000 }).toBe(true);
  await reload({ organizations: [keeping.organizationId], key: Buffer.alloc(32, 7).toString("base64") });
  await kept(stuck.callId);
  await expect.poll(heldUp, { timeout: 20_000 }).toBe(false);
});

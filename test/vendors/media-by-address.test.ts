/** Owns the proof that a picture by address, from the official client, reaches vendors that take bytes alone: over TLS, from a public address, through a running Weir. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAuthority, issueCertificate } from "../../services/platform/peers/testing/certificates.ts";
import { reply as bedrockReply } from "../../services/providers/edge/bedrock/fixtures.ts";
import { reply as ollamaReply } from "../../services/providers/edge/ollama/fixtures.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { standInInternet } from "../harness/stand-in-internet.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const png = Buffer.from("\x89PNG\r\n\x1a\n and the rest", "latin1");
const asked: string[] = [];
let directory: string;
let files: Server;
let bedrock: ScriptedProvider;
let ollama: ScriptedProvider;
let weir: Weir;
let client: OpenAI;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-media-"));
  const authority = createAuthority("files");
  const authorityFile = join(directory, "authority.pem");
  await writeFile(authorityFile, authority.certificatePem);
  const { certificatePem, keyPem } = issueCertificate(authority, ["files.example", "metadata.example"]);
  files = createServer({ cert: certificatePem, key: keyPem }, (request, response) => {
    asked.push(`${request.headers.host}${request.url}`);
    response.writeHead(200, { "content-type": "application/octet-stream" }).end(png);
  });
  await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
  const { port } = files.address() as AddressInfo;
  bedrock = await startScriptedProvider(json(200, bedrockReply));
  ollama = await startScriptedProvider(json(200, ollamaReply));
  weir = await startWeir({
    config: `
fetch_urls: { enabled: true }
providers:
  bedrock: { vendor: bedrock, api_key: secret, base_url: "${new URL(bedrock.baseUrl).origin}" }
  ollama: { vendor: ollama, base_url: "${new URL(ollama.baseUrl).origin}" }
`,
    environment: {
      NODE_EXTRA_CA_CERTS: authorityFile,
      ...standInInternet({
        "files.example": { address: "93.184.216.34", port },
        "metadata.example": { address: "169.254.169.254", port },
      }),
    },
  });
  client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([bedrock.stop(), ollama.stop()]);
  files.close();
  await rm(directory, { recursive: true });
});

function ask(model: string, url: string): Promise<OpenAI.ChatCompletion> {
  return client.chat.completions.create({ model, messages: [{ role: "user", content: [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url } }] }] });
}

test("a picture by address reaches Bedrock as bytes", async () => {
  await ask("bedrock/anthropic.claude", "https://files.example/cat.png?signature=1");
  const body = JSON.parse((await bedrock.request(0)).body.toString()) as unknown;
  expect(body).toMatchObject({ messages: [{ content: [{ text: "What is it?" }, { image: { format: "png", source: { bytes: png.toString("base64") } } }] }] });
  expect(asked.splice(0)).toEqual(["files.example/cat.png?signature=1"]);
});

test("a picture by address reaches Ollama as bytes", async () => {
  await ask("ollama/llava", "https://files.example/cat.png");
  expect(JSON.parse((await ollama.request(0)).body.toString())).toMatchObject({ messages: [{ content: "What is it?", images: [png.toString("base64")] }] });
  expect(asked.splice(0)).toEqual(["files.example/cat.png"]);
});

test("a picture in a data URL is fetched from nowhere", async () => {
  await ask("ollama/llava", `data:image/png;base64,${png.toString("base64")}`);
  expect(JSON.parse((await ollama.request(1)).body.toString())).toMatchObject({ messages: [{ images: [png.toString("base64")] }] });
  expect(asked).toEqual([]);
});

test.each([
  ["https://metadata.example/latest/meta-data/", "metadata.example cannot be reached, or is not at a public address"],
  ["https://169.254.169.254/latest/meta-data/", "169.254.169.254 cannot be reached"],
  ["https://127.0.0.1/", "127.0.0.1 cannot be reached"],
  ["https://localhost/", "localhost cannot be reached"],
  ["http://files.example/cat.png", "https alone"],
  ["https://files.example:8443/cat.png", "port 8443"],
  ["https://user:hunter2@files.example/cat.png", "a user name or a password"],
])("%s is not dialled, and the client is told in its own words", async (url, why) => {
  const error: unknown = await ask("ollama/llava", url).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect((error as Error).message).toContain(why);
  expect((error as Error).message).not.toContain("hunter2");
  expect(asked).toEqual([]);
});

test("operators see in the log why an address was not dialled, and callers do not", async () => {
  const error: unknown = await ask("ollama/llava", "https://metadata.example/").catch((thrown: unknown) => thrown);
  expect((error as Error).message).not.toContain("169.254.169.254");
  await expect.poll(() => JSON.stringify(weir.log())).toContain("169.254.169.254 is a link-local, metadata or multicast address");
});

/** Owns the proof of what a deployment in Azure is asked, by each of the forms of its API. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { EmbedRequestSchema, GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { AccessToken } from "../../domain/credentials/credential-source.ts";
import { azureVendor, createAzureVendor } from "./azure.ts";

const stable = createAzureVendor({ apiVersion: "2024-10-21" });
const preview = createAzureVendor({ apiVersion: "2025-04-01-preview" });
const generation = create(GenerationSchema, {
  messages: [
    { role: Role.DEVELOPER, parts: [{ kind: { case: "text", value: { text: "be brief" } } }] },
    { role: Role.USER, parts: [{ kind: { case: "text", value: { text: "hello" } } }] },
  ],
  maxOutputTokens: 100n,
  endUser: "u1",
});

describe("a deployment", () => {
  it("stands in the path of a dated version, and in the body of v1", () => {
    expect(azureVendor.generate.buildNativeRequest(Buffer.from("{}"), "my gpt", false)).toMatchObject({ path: "/chat/completions", body: Buffer.from('{"model":"my gpt"}') });
    expect(preview.generate.buildNativeRequest(Buffer.from("{}"), "my gpt", false).path).toBe("/deployments/my%20gpt/chat/completions?api-version=2025-04-01-preview");
    expect(stable.generate.buildRequest(generation, "gpt", true).path).toBe("/deployments/gpt/chat/completions?api-version=2024-10-21");
    expect(stable.operations.embed!.buildRequest(create(EmbedRequestSchema, { inputs: ["a"] }), "e").path).toBe("/deployments/e/embeddings?api-version=2024-10-21");
    expect(createAzureVendor({ apiVersion: "" })).toBe(azureVendor);
  });

  it.each([".", ".."])("does not lead elsewhere: %s", (name) => {
    expect(() => stable.generate.buildRequest(generation, name, false)).toThrow(expect.objectContaining({ reason: "MODEL_NOT_FOUND" }));
  });

  it("is asked in the words of its version", () => {
    const bodyOf = (vendor: typeof stable) => JSON.parse(Buffer.from(vendor.generate.buildRequest(generation, "gpt", false).body).toString()) as unknown;
    expect(bodyOf(stable)).toMatchObject({ max_tokens: 100, user: "u1", messages: [{ role: "system" }, { role: "user" }] });
    expect(bodyOf(preview)).toMatchObject({ max_completion_tokens: 100, user: "u1", messages: [{ role: "developer" }, { role: "user" }] });
    expect(bodyOf(azureVendor)).toMatchObject({ max_completion_tokens: 100, safety_identifier: "u1" });
  });

  it("takes the bytes of OpenAI's clients where it knows their members", () => {
    expect([stable, preview, azureVendor].map(({ nativeDialects }) => nativeDialects)).toEqual([[], ["openai"], ["openai", "openai-responses"]]);
  });
});

it("a key and a token each have their own header, by either form", () => {
  for (const vendor of [stable, azureVendor]) {
    expect(vendor.authorize(new Secret("key"))).toEqual({ "api-key": "key" });
    expect(vendor.authorize(new AccessToken("token"))).toEqual({ authorization: "Bearer token" });
  }
});

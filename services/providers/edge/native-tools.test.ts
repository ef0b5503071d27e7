/** Owns the proof of what budgets rely on: a tool in a dialect's own form goes to no vendor that does not take that dialect's bytes, unless it takes nobody's. */
import { fromJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { vendors } from "./vendors.ts";

const adapters = Object.values(vendors).flatMap(({ adapter, adapterAtHome }) => [adapter, ...(adapterAtHome === undefined ? [] : [adapterAtHome])]);
const dialects = [...new Set(["bedrock", ...adapters.flatMap(({ nativeDialects }) => nativeDialects)])];

test.each(adapters.filter(({ nativeDialects }) => nativeDialects.length > 0))("$vendor is sent no tool in the form of a dialect whose bytes it does not take", ({ generate, nativeDialects }) => {
  expect(dialects).toContain("openai-responses");
  const tools = dialects.map((dialect) => ({ native: { dialect, json: Buffer.from(JSON.stringify({ type: `tool_of_${dialect}` })).toString("base64") } }));
  const request = fromJson(GenerationSchema, { model: "any", messages: [{ role: "ROLE_USER", parts: [{ text: { text: "Hi" } }] }], tools });
  const sent = Buffer.from(generate.buildRequest(request, "m", false).body).toString();
  const known = dialects.filter((dialect) => sent.includes(`"tool_of_${dialect}"`));
  expect(nativeDialects).toEqual(expect.arrayContaining(known));
  expect(known.length).toBeLessThanOrEqual(1);
});

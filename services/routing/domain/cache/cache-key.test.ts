import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { GenerateRequestSchema, StreamGenerateRequestSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { AttemptRequestSchema, ProviderSchema, type AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Target } from "../targets/plan.ts";
import { cacheKey, isToBeStored } from "./cache-key.ts";

interface Asked {
  readonly organization: string;
  readonly team: string;
  readonly key: string;
  readonly provider: string;
  readonly revision: string;
  readonly model: string;
  readonly stream: boolean;
  readonly strict: boolean;
  readonly dialect: string;
  readonly body: string;
  readonly header: string;
}

// Few values, so that most pairs have most of them in common, and ones that run into each other.
const word = fc.constantFrom("", "a", "ab", "b", '","', "\n");
const asked: fc.Arbitrary<Asked> = fc.record({ organization: word, team: word, key: word, provider: word, revision: word, model: word, stream: fc.boolean(), strict: fc.boolean(), dialect: word, body: word, header: word });

function keyOf({ organization, team, key, provider: name, revision, model, ...rest }: Asked, labels: Record<string, string> = {}): string {
  const provider = create(ProviderSchema, { name, revision });
  const target: Target = { name: `${name}/${model}`, provider, model, breakerName: name };
  return cacheKey([organization, team, key], target, create(AttemptRequestSchema, { operation: operationOf(rest, labels) }));
}

function operationOf({ stream, strict, dialect, body, header }: Pick<Asked, "stream" | "strict" | "dialect" | "body" | "header">, labels: Record<string, string> = {}): AttemptRequest["operation"] {
  const generation = { strict, labels, native: { dialect, body: Buffer.from(body), headers: { beta: header } } };
  return stream ? { case: "streamGenerate", value: create(StreamGenerateRequestSchema, { generation }) } : { case: "generate", value: create(GenerateRequestSchema, { generation }) };
}

test("the key is the same for the same, whatever the labels, and differs wherever anything differs", () => {
  fc.assert(
    fc.property(asked, asked, (one, other) => {
      const isSame = JSON.stringify(one) === JSON.stringify(other);
      expect(keyOf(one, { workflow: "x" }) === keyOf(other)).toBe(isSame);
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(asked, fc.constantFrom("organization", "team", "key", "provider", "revision", "model", "dialect", "body", "header"), (one, field) => {
      expect(keyOf({ ...one, [field]: `${one[field as keyof Asked]}x` })).not.toBe(keyOf(one));
      expect(keyOf({ ...one })).toBe(keyOf(one));
    }),
  );
});

test("a generation that the vendor is to store is known in either form", () => {
  const inTypes = (store: boolean): AttemptRequest["operation"] => ({ case: "generate", value: create(GenerateRequestSchema, { generation: { store } }) });
  expect([inTypes(true), inTypes(false)].map(isToBeStored)).toEqual([true, false]);
  const inBytes = (body: string): AttemptRequest["operation"] => operationOf({ stream: true, strict: false, dialect: "openai", header: "", body });
  expect(['{"store":true}', '{"store":false}', '{"messages":[{"store":true}]}'].map((body) => isToBeStored(inBytes(body)))).toEqual([true, false, false]);
});

import { createSecretKey } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { expect, test } from "vitest";
import { TokenClaimsSchema } from "#gen/weir/policy/v1/token_pb.ts";
import { isToken, longestToken, readToken, signToken } from "./access-token.ts";
import { digestOfKeySecret } from "./key-secret.ts";

const pepper = createSecretKey(Buffer.from("pepper of the tests"));
const claims = create(TokenClaimsSchema, { keyId: "key_1", expireTime: timestampFromMs(1_000), scope: { models: ["chat"] }, labels: { end_user: "u-42" } });
const token = signToken(claims, pepper).reveal();

test("a token says what was signed", () => {
  expect(isToken(token)).toBe(true);
  expect(readToken(token, pepper)).toEqual(claims);
});

test("a token that was changed anywhere, cut or lengthened is none", () => {
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(..."ABCxyz019-_. "), (index, character) => {
      fc.pre(token[index] !== character);
      const changed = token.slice(0, index) + character + token.slice(index + 1);
      // The last character of base64url has bits that stand for nothing.
      expect(readToken(changed, pepper) === undefined || index === token.length - 1 || index === token.indexOf(".") - 1).toBe(true);
      expect(readToken(token.slice(0, index), pepper)).toBeUndefined();
      expect(readToken(token + character, pepper)).toBeUndefined();
    }),
  );
});

test("a token of another installation, the digest of a secret in a signature's place, and one that is too long are none", () => {
  expect(readToken(token, createSecretKey(Buffer.from("another pepper")))).toBeUndefined();
  const payload = token.slice("weirt_".length, token.indexOf("."));
  const digest = digestOfKeySecret(Buffer.from(payload, "base64url").toString("latin1"), pepper).toString("base64url");
  expect(readToken(`weirt_${payload}.${digest}`, pepper)).toBeUndefined();
  const long = signToken(create(TokenClaimsSchema, { keyId: "k".repeat(longestToken) }), pepper).reveal();
  expect(readToken(long, pepper)).toBeUndefined();
});

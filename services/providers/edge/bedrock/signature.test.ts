import fastCheck from "fast-check";
import { describe, expect, it } from "vitest";
import { Secret } from "#platform/secrets/secret.ts";
import { expectedAuthorization, signedHeadersOf } from "./aws-signature.fixture.ts";
import { modelOf, pathOf } from "./model-path.ts";
import { authorize, sign } from "./signature.ts";

const nowMs = Date.parse("2015-08-30T12:36:00.789Z");
const secretAccessKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const accessKey = new Secret(`AKIDEXAMPLE:${secretAccessKey}`);
const temporary = new Secret(`ASIAEXAMPLE:${secretAccessKey}:AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW==`);
const host = "bedrock-runtime.eu-central-1.amazonaws.com";
const headers = { "content-type": "application/json" };

function signed(model: string, credential: Secret, body: Uint8Array, toHost = host, region = "eu-central-1") {
  const path = pathOf(model, "converse");
  const signature = sign({ method: "POST", host: toHost, path, headers, body }, credential, nowMs);
  const request = { method: "POST", path, headers: { host: toHost, "content-length": String(body.length), ...headers, ...signature }, body };
  const covered = signedHeadersOf(signature["authorization"]!);
  const accessKeyId = credential.reveal().split(":")[0]!;
  return { signature, covered, expected: expectedAuthorization(request, accessKeyId, secretAccessKey, region, "bedrock", covered) };
}

describe("the signature's check in these tests", () => {
  // AWS's own test suite: https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite/v4 (get-vanilla, post-vanilla)
  it.each([
    ["GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
    ["POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"],
  ])("agrees with AWS on its vanilla %s", (method, signature) => {
    const request = { method, path: "/", headers: { host: "example.amazonaws.com", "x-amz-date": "20150830T123600Z" }, body: new Uint8Array() };
    expect(expectedAuthorization(request, "AKIDEXAMPLE", secretAccessKey, "us-east-1", "service", ["host", "x-amz-date"])).toBe(
      `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=${signature}`,
    );
  });
});

describe("a signed request", () => {
  it("has the signature that AWS would compute, and the date it was given", () => {
    const { signature, covered, expected } = signed("anthropic.claude-sonnet-4-5-20250929-v1:0", accessKey, Buffer.from('{"messages":[]}'));
    expect(signature).toEqual({ "x-amz-date": "20150830T123600Z", authorization: expected });
    expect(covered).toEqual(expect.arrayContaining(["content-type", "host", "x-amz-date"]));
  });

  it("carries and covers the token of a temporary access key", () => {
    const { signature, covered, expected } = signed("amazon.nova-lite-v1:0", temporary, Buffer.from("{}"));
    expect(signature).toEqual({ "x-amz-date": "20150830T123600Z", "x-amz-security-token": temporary.reveal().split(":")[2], authorization: expected });
    expect(covered).toContain("x-amz-security-token");
  });

  it("takes an empty token for none", () => {
    expect(signed("m", new Secret(`AKIDEXAMPLE:${secretAccessKey}:`), Buffer.from("{}")).signature).not.toHaveProperty("x-amz-security-token");
  });

  it("holds for any model's name and any body", () => {
    const names = fastCheck.string({ minLength: 1, unit: "grapheme" }).filter((name) => name !== "." && name !== "..");
    fastCheck.assert(
      fastCheck.property(names, fastCheck.uint8Array(), (model, body) => {
        const { signature, expected } = signed(model, accessKey, body);
        expect(signature["authorization"]).toBe(expected);
      }),
    );
  });

  it.each([
    ["bedrock-runtime.us-west-2.amazonaws.com", "us-west-2"],
    ["bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"],
    ["vpce-0123-abc.bedrock-runtime.eu-west-1.vpce.amazonaws.com", "eu-west-1"],
    ["bedrock-runtime.cn-north-1.amazonaws.com.cn:8443", "cn-north-1"],
    ["127.0.0.1:4010", "us-east-1"],
  ])("to %s is for the region %s", (toHost, region) => {
    const { signature, expected } = signed("m", accessKey, Buffer.from("{}"), toHost, region);
    expect(signature["authorization"]).toBe(expected);
  });

  it("shows nothing of the secret", () => {
    expect(JSON.stringify(signed("m", temporary, Buffer.from("{}")).signature)).not.toContain(secretAccessKey);
  });
});

describe("the credential", () => {
  it("goes along as it is where it is an API key, and never where it is an access key", () => {
    expect(authorize(new Secret("bedrock-api-key-YmVkcm9jaw=="))).toEqual({ authorization: "Bearer bedrock-api-key-YmVkcm9jaw==" });
    expect(sign({ method: "POST", host, path: "/", headers, body: new Uint8Array() }, new Secret("bedrock-api-key-YmVkcm9jaw=="), nowMs)).toEqual({});
    expect(authorize(accessKey)).toEqual({});
  });
});

describe("the path of a model", () => {
  it.each([
    ["anthropic.claude-sonnet-4-5-20250929-v1:0", "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"],
    ["arn:aws:bedrock:us-east-1:1:inference-profile/us.x", "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse"],
    ["a/../b?c#d", "/model/a%2F..%2Fb%3Fc%23d/converse"],
  ])("holds %s as one segment", (model, path) => {
    expect(pathOf(model, "converse")).toBe(path);
    expect(modelOf(path)).toBe(model);
  });

  it.each([".", ".."])("does not lead elsewhere: %s", (model) => {
    expect(() => pathOf(model, "converse")).toThrow(expect.objectContaining({ reason: "MODEL_NOT_FOUND" }));
  });
});

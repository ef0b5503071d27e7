/** Proves how the settings of NATS are read, and that no error gives a secret away. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { NatsSchema } from "#gen/weir/config/v1/nats_pb.ts";
import { readNatsSettings } from "./nats-settings.ts";

function read(init: MessageInitShape<typeof NatsSchema> | undefined, url?: string) {
  return readNatsSettings(init && create(NatsSchema, init), url);
}

test("without a NATS there are no settings; a section without a URL is a mistake", () => {
  expect(read(undefined)).toBeUndefined();
  expect(() => read({ user: "weir" })).toThrow("events.nats.url: missing");
});

test("a cluster, its credentials and its limits", () => {
  const settings = read({ url: "tls://weir:p%40ss@one, tls://weir:p%40ss@two:5222", caFile: "ca.pem", stream: { replicas: 3, maxBytes: 65536n, maxAge: { seconds: 60n, nanos: 0 } } })!;
  expect(settings).toMatchObject({ servers: ["one:4222", "two:5222"], tls: { caFile: "ca.pem" }, stream: { replicas: 3, maximumBytes: 65536, maximumEvents: 1_000_000, maximumAgeMs: 60_000 } });
  expect(settings.credential.kind === "password" && [settings.credential.user, settings.credential.password.reveal()]).toEqual(["weir", "p@ss"]);
});

test("the environment's URL wins over the file's, whose other settings stay", () => {
  expect(read({ url: "nats://file", user: "weir", password: "secret" }, "nats://environment:1")).toMatchObject({ servers: ["environment:1"], credential: { kind: "password", user: "weir" }, tls: undefined });
  expect(read(undefined, "nats://token@host")!.credential.kind).toBe("token");
  expect(read({ url: "nats://host", credentialsFile: "weir.creds" })!.credential).toEqual({ kind: "file", path: "weir.creds" });
});

test.each([
  [{ url: "http://canary@host" }, "must be nats://"],
  [{ url: "nats://canary@" }, "must be nats://"],
  [{ url: "nats://host/canary" }, "must be nats://"],
  [{ url: "nats://canary%zz@host" }, "must be written %25"],
  [{ url: "nats://canary@one,nats://two" }, "the same user or token"],
  [{ url: "nats://one,tls://two" }, "the same scheme"],
  [{ url: "nats://canary@host", user: "weir", password: "canary" }, "more than one credential"],
  [{ url: "nats://host", caFile: "ca.pem" }, "write tls://"],
])("%j is refused, without its secret", (init, complaint) => {
  try {
    read(init);
    expect.unreachable();
  } catch (error) {
    expect((error as Error).message).toContain(complaint);
    expect((error as Error).message).not.toContain("canary");
  }
});

import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Secret } from "#platform/secrets/secret.ts";
import { DataDirectory, readSecret, writeSecret } from "./data-directory.ts";

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "weir-data-"));
});
afterEach(() => rm(path, { recursive: true }));

test("all who start at once on one directory get the same pepper, and leave nothing else behind", async () => {
  const peppers = await Promise.all(Array.from({ length: 20 }, () => new DataDirectory(path).pepper()));
  expect(new Set(peppers.map((pepper) => pepper.export().toString())).size).toBe(1);
  expect((await new DataDirectory(path).pepper()).equals(peppers[0]!)).toBe(true);
  expect(await readdir(path)).toEqual(["pepper"]);
  expect((await stat(join(path, "pepper"))).mode & 0o777).toBe(0o600);
});

test("a pepper that is there stays", async () => {
  await writeFile(join(path, "pepper"), "mine\n");
  expect((await new DataDirectory(path).pepper()).export().toString()).toBe("mine");
});

test("all who write one secret at once succeed, and one of them is on file", async () => {
  const file = join(path, "admin-key");
  const secrets = Array.from({ length: 20 }, (_, number) => `secret-${number}`);
  await Promise.all(secrets.map((secret) => writeSecret(file, new Secret(secret))));
  expect(secrets).toContain((await readSecret(file))?.reveal());
  expect(await readdir(path)).toEqual(["admin-key"]);
});

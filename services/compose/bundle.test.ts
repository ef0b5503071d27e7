import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weir-bundle-"));
  await mkdir(join(root, "services/compose"), { recursive: true });
  await mkdir(join(root, "dist"));
  await writeFile(join(root, "package.json"), '{ "type": "module" }');
  for (const name of ["weir.js", "bundle.js"]) await cp(join(import.meta.dirname, name), join(root, "services/compose", name));
  await writeFile(source(), 'console.log("sources");');
  await writeFile(join(root, "dist/command.cjs"), 'console.log("bundle");');
});

afterEach(() => rm(root, { recursive: true }));

test("the bundle runs while its sources are as they were", async () => {
  await writeStamps();
  expect(await started()).toBe("bundle");
});

test("without a bundle, the sources run", async () => {
  expect(await started()).toBe("sources");
});

test("a source that was changed since runs, whatever its length", async () => {
  await writeStamps();
  await writeFile(source(), 'console.log("changes");');
  await utimes(source(), new Date(), new Date(Date.now() + 2_000));
  expect(await started()).toBe("changes");
});

test("a source that was replaced by an older one runs", async () => {
  await writeStamps();
  await utimes(source(), new Date(), new Date("2026-01-01"));
  expect(await started()).toBe("sources");
});

test("a bundle whose source is gone, or whose folder was moved, does not run: it names files by their whole path", async () => {
  await writeFile(join(root, "services/compose/other.ts"), "");
  await writeStamps("services/compose/other.ts");
  const moved = `${root}-moved`;
  await rename(root, moved);
  root = moved;
  expect(await started()).toBe("sources");

  await writeStamps("services/compose/other.ts");
  expect(await started()).toBe("bundle");
  await rm(join(root, "services/compose/other.ts"));
  expect(await started()).toBe("sources");
});

function source(): string {
  return join(root, "services/compose/command.ts");
}

/** As scripts/bundle.js does it at the end. */
async function writeStamps(...others: readonly string[]): Promise<void> {
  const { writeStamps: write } = (await import(pathToFileURL(join(root, "services/compose/bundle.js")).href)) as { readonly writeStamps: (directory: string, names: readonly string[]) => void };
  write(join(root, "dist"), ["services/compose/command.ts", ...others]);
}

async function started(): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, "services/compose/weir.js")]);
  return stdout.trim();
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { lockDirectory } from "./directory-lock.ts";

function newDirectory(): string {
  const parent = mkdtempSync(join(tmpdir(), "weir-lock-"));
  onTestFinished(() => rmSync(parent, { recursive: true }));
  return join(parent, "data");
}

async function lockInAnotherProcess(directory: string) {
  const script = `import { lockDirectory } from ${JSON.stringify(import.meta.resolve("./directory-lock.ts"))};
    lockDirectory(${JSON.stringify(directory)}); console.log("locked"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return child;
}

test("a second process is refused, and told the directory and who holds it", async () => {
  const directory = newDirectory();
  const holder = await lockInAnotherProcess(directory);
  expect(() => lockDirectory(directory)).toThrow(`${directory} is in use by another Weir (process ${holder.pid})`);
});

test("a holder that was killed does not block the next", async () => {
  const directory = newDirectory();
  const holder = await lockInAnotherProcess(directory);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  lockDirectory(directory).release();
});

test("the lock also holds within one process, and opens when it is released", () => {
  const directory = newDirectory();
  const lock = lockDirectory(directory);
  expect(() => lockDirectory(directory)).toThrow(`(process ${process.pid})`);
  lock.release();
  lockDirectory(directory).release();
});

test("a child that outlives its parent does not hold the parent's lock", async () => {
  const directory = newDirectory();
  const lock = lockDirectory(directory);
  const child = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "spawn");
  lock.release();
  lockDirectory(directory).release();
});

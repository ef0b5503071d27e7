/** Proves that a process lives on when a promise fails that nobody waits for, and says so. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a failure that nobody waits for is told, and the process goes on", async () => {
  const program = `
    import { createLogger } from "#platform/logger.ts";
    import { surviveDefects } from "./services/compose/run/survive-defects.ts";
    surviveDefects(createLogger("info"));
    Promise.reject(new Error("forgotten"));
    setTimeout(() => console.log("goes on"), 10);`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module-typescript", "--eval", program], { cwd: new URL("../../../", import.meta.url) });
  expect(stdout).toBe("goes on\n");
  expect(JSON.parse(stderr)).toMatchObject({ level: "error", error: { message: "forgotten", stack: expect.stringContaining("Error") } });
});

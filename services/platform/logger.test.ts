import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const module = new URL("logger.ts", import.meta.url).href;

/** What a process writes that logs these lines and then ends so. */
function linesOf(end: string): string[] {
  const program = `import { createLogger } from ${JSON.stringify(module)}; const logger = createLogger("info"); for (const line of ["one", "two"]) logger.info(line); ${end}`;
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" });
  return stderr.split("\n").filter((line) => line.startsWith("{")).map((line) => (JSON.parse(line) as { msg: string }).msg);
}

test.each([
  ["has nothing more to do", ""],
  ["exits", "process.exit(3);"],
  ["fails", "throw new Error('a defect');"],
])("a process that %s has written its last lines", (_, end) => {
  expect(linesOf(end)).toEqual(["one", "two"]);
});

/** Proves that a proving ground whose Weir does not start leaves nothing running. */
import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { openProvingGround } from "./proving-ground.ts";

test("a Weir that does not start leaves no PostgreSQL and no NATS running", { timeout: 60_000 }, async () => {
  await expect(openProvingGround({ config: { nonsense: true } })).rejects.toThrow("nonsense");
  expect((await commands()).filter((command) => command === "postgres" || command === "nats-server")).toEqual([]);
});

/** What the children of this process run. */
async function commands(): Promise<string[]> {
  const lists = await Promise.all((await readdir("/proc/self/task")).map((thread) => readFile(`/proc/self/task/${thread}/children`, "utf8")));
  const children = lists.join(" ").split(" ").filter((child) => child !== "");
  return Promise.all(children.map(async (child) => (await readFile(`/proc/${child}/comm`, "utf8").catch(() => "")).trim()));
}

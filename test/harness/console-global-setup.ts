/** Owns the console's page as Weirs in tests serve it: built once before a test run, where its sources are newer than what was built. */
import { execFile } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const root = new URL("../../", import.meta.url).pathname;
const sources = ["services/console", "gen"];
const built = "services/console/dist/";

export async function setup(): Promise<void> {
  const builtMs = await changeTimeOf(`${built}index.html`);
  if (builtMs !== undefined && builtMs > (await lastChangeOf(sources))) return;
  // In a process of its own, as `npm ci` does it: the test runner's NODE_ENV would make it a page for developers.
  await promisify(execFile)(process.execPath, ["services/console/prepare.js"], { cwd: root, env: {} });
}

async function lastChangeOf(folders: readonly string[]): Promise<number> {
  const names = await Promise.all(folders.map(async (folder) => (await readdir(join(root, folder), { recursive: true })).map((name) => join(folder, name))));
  const changes = await Promise.all(names.flat().filter((name) => !`${name}/`.startsWith(built)).map(changeTimeOf));
  return Math.max(...changes.map((changeMs) => changeMs ?? 0));
}

async function changeTimeOf(name: string): Promise<number | undefined> {
  return stat(join(root, name)).then(({ mtimeMs }) => mtimeMs, () => undefined);
}

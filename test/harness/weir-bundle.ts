/** Owns Weir in few files: tests start hundreds of processes, and to find and read a thousand modules is half of such a start. */
import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { rolldown } from "rolldown";
import { inject, vi } from "vitest";

const madeWithinMs = 60_000;
const entry = fileURLToPath(new URL("../../services/compose/weir.js", import.meta.url));

/** How a test starts Weir. */
export interface WeirCommand {
  /** What to run, in place of services/compose/weir.js; it does the very same. */
  readonly file: string;
  /** Variables that it needs to start as fast as it can. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The command, made from the sources as they are at the beginning of the test run. */
export function weirCommand(): Promise<WeirCommand> {
  return (command ??= make(inject("weirBundle")));
}

let command: Promise<WeirCommand> | undefined;

/** By whoever needs it first, while the others wait: it takes both cores some seconds. */
async function make(directory: string): Promise<WeirCommand> {
  const made = join(directory, "made");
  const isFirst = await mkdir(directory).then(() => true, () => false);
  if (isFirst) {
    await bundle(join(directory, "making"));
    await rename(join(directory, "making"), made);
  }
  await vi.waitUntil(() => existsSync(made), { timeout: madeWithinMs, interval: 50 });
  return { file: join(made, "weir.mjs"), environment: { NODE_COMPILE_CACHE: join(directory, "compiled") } };
}

async function bundle(directory: string): Promise<void> {
  const built = await rolldown({
    input: entry,
    platform: "node",
    // What a module does when it is loaded is part of what is tested.
    treeshake: false,
    plugins: [{ name: "where modules are", transform: { filter: { code: /import\.meta\.|__dirname|__filename/ }, handler: stayInPlace } }],
    logLevel: "silent",
  });
  await built.write({ dir: directory, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" });
  await built.close();
}

/** Files beside a module, such as migrations and threads, are found where they are. */
function stayInPlace(code: string, path: string): string {
  return code
    .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href))
    .replaceAll(/import\.meta\.dirname|\b__dirname\b/g, JSON.stringify(dirname(path)))
    .replaceAll(/\b__filename\b/g, JSON.stringify(path));
}

/** Owns where the agents' programs come from: npm, in exact versions, into a folder that later runs find. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { CodingAgent } from "./agents.ts";

const run = promisify(execFile);
const cache = resolve(import.meta.dirname, "../../node_modules/.cache/weir/agents");
/** Some are hundreds of megabytes. */
const withinMs = 600_000;

export type Installation = { readonly binDirectory: string } | { readonly whyNot: string };

/** Each agent has a folder of its own: one that cannot be had here is no obstacle to the others. */
export async function installAgent(agent: CodingAgent): Promise<Installation> {
  const directory = join(cache, agent.application);
  const binDirectory = join(directory, "node_modules/.bin");
  if (await isThere(agent, directory)) return { binDirectory };
  await mkdir(directory, { recursive: true });
  const manifest = { private: true, dependencies: { [agent.package]: agent.version }, allowScripts: { [agent.package]: true } };
  await writeFile(join(directory, "package.json"), JSON.stringify(manifest));
  try {
    await run("npm", ["install", "--prefix", directory, "--no-audit", "--no-fund", "--loglevel", "error"], { cwd: directory, timeout: withinMs });
    await run(join(binDirectory, agent.command[0]!), ["--version"], { timeout: withinMs, env: { PATH: process.env["PATH"], HOME: directory } });
  } catch (error) {
    const { stderr, message } = error as { readonly stderr?: string; readonly message: string };
    return { whyNot: `npm cannot install ${agent.package}@${agent.version} here: ${(stderr ?? "") === "" ? message : stderr!.trim()}` };
  }
  return { binDirectory };
}

async function isThere(agent: CodingAgent, directory: string): Promise<boolean> {
  if (!existsSync(join(directory, "node_modules/.bin", agent.command[0]!))) return false;
  const { version } = JSON.parse(await readFile(join(directory, "node_modules", agent.package, "package.json"), "utf8")) as { readonly version: string };
  return version === agent.version;
}

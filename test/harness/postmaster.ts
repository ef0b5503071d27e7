/** Owns finding the process of a PostgreSQL that tests kill or stop. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** The process that all others of the cluster hang on. Rejects while none has said that it is the one: 0 would be the tests' own processes. */
export async function postmasterOf(clusterDirectory: string): Promise<number> {
  const [line = ""] = (await readFile(join(clusterDirectory, "postmaster.pid"), "utf8")).split("\n");
  const pid = Number(line);
  if (!(pid > 0)) throw new Error(`${clusterDirectory} has no postmaster yet.`);
  return pid;
}

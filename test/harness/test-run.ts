/** Owns what a test run has once: a folder, a PostgreSQL, and what is made there by whoever needs it first; there before the first test file, gone after the last. */
import { statfsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { createLogger } from "#platform/logger.ts";
import { startPostgresServer, type PostgresServer } from "#platform/database/postgres-server.ts";
import type { DatabaseConnection } from "#platform/database/database-connection.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The superuser's connection to the PostgreSQL of this test run. */
    postgresAdministration: DatabaseConnection;
    /** Where it is, once somebody needed it. */
    installation: string;
    /** Likewise, the folder of Weir in few files. */
    weirBundle: string;
  }
}

const memoryDisk = "/dev/shm";
/** All tests together keep less than half of it at any time. */
const ampleBytes = 12 * 2 ** 30;

let folder: string;
let server: PostgresServer;

export async function setup(project: TestProject): Promise<void> {
  // Hundreds of databases come and go: on a disk, a tenth of the time is the disk's. The workers inherit it.
  if (process.env["TMPDIR"] === undefined && hasAmpleMemory()) process.env["TMPDIR"] = memoryDisk;
  folder = await mkdtemp(join(tmpdir(), "weir-test-run-"));
  server = await startPostgresServer({ dataDirectory: join(folder, "postgres"), logger: createLogger("error") });
  project.provide("postgresAdministration", server.administration);
  project.provide("installation", join(folder, "installation"));
  project.provide("weirBundle", join(folder, "weir"));
}

export async function teardown(): Promise<void> {
  await server.stop();
  await rm(folder, { recursive: true });
}

function hasAmpleMemory(): boolean {
  try {
    const { bavail, bsize } = statfsSync(memoryDisk);
    return bavail * bsize >= ampleBytes && freemem() >= ampleBytes;
  } catch {
    return false;
  }
}

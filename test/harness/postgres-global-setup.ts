/** Owns what a test run has once, the PostgreSQL and the installation to copy: there before the first test file, gone after the last. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
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
  }
}

let folder: string;
let server: PostgresServer;

export async function setup(project: TestProject): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), "weir-test-run-"));
  server = await startPostgresServer({ dataDirectory: join(folder, "postgres"), logger: createLogger("error") });
  project.provide("postgresAdministration", server.administration);
  project.provide("installation", join(folder, "installation"));
}

export async function teardown(): Promise<void> {
  await server.stop();
  await rm(folder, { recursive: true });
}

/** Owns the one PostgreSQL of a test run: started before the first test file, gone with its folder after the last. */
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
  }
}

let dataDirectory: string;
let server: PostgresServer;

export async function setup(project: TestProject): Promise<void> {
  dataDirectory = await mkdtemp(join(tmpdir(), "weir-test-"));
  server = await startPostgresServer({ dataDirectory, logger: createLogger("error") });
  project.provide("postgresAdministration", server.administration);
}

export async function teardown(): Promise<void> {
  await server.stop();
  await rm(dataDirectory, { recursive: true });
}

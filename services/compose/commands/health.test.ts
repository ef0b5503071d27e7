import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { openAdminDoor, type AdminDoor } from "../admin-door.ts";
import { addHealthCommand } from "./health.ts";

let admin: AdminDoor;
let directory: string;
beforeEach(async () => {
  const metrics = createMetricsRegistry();
  admin = await openAdminDoor({ adminAddress: "127.0.0.1", adminPort: 0 }, { contentType: metrics.contentType, read: () => metrics.metrics() }, createLogger("silent"));
  directory = await mkdtemp(join(tmpdir(), "weir-health-"));
});
afterEach(async () => {
  await admin.close();
  await rm(directory, { recursive: true });
});

async function health(...words: string[]): Promise<void> {
  const program = new Command("weir");
  addHealthCommand(program, { variables: {}, dataDirectory: "", databaseUrl: undefined, configPath: undefined, address: undefined, adminKey: undefined });
  await program.parseAsync(["health", ...words], { from: "user" });
}

test("says that a Weir is ready, and why one is not", async () => {
  const print = vi.spyOn(console, "log").mockImplementation(() => undefined);
  const port = String(admin.listener.port);
  admin.waitsFor("the database");
  await expect(health("--admin-port", port)).rejects.toThrow("Weir is not ready: waiting for the database.");
  admin.isReady();
  await health("--admin-port", port);
  expect(print).toHaveBeenCalledExactlyOnceWith("ready");
  print.mockRestore();
});

test("says that none answers", async () => {
  const port = String(admin.listener.port);
  await admin.close();
  await expect(health("--admin-port", port)).rejects.toThrow(`No Weir answers at http://127.0.0.1:${port}/readyz: connect ECONNREFUSED`);
});

test("finds address and port in the configuration", async () => {
  const file = join(directory, "weir.yaml");
  await writeFile(file, `listen: { admin_address: 0.0.0.0, admin_port: ${admin.listener.port} }\n`);
  await expect(health("--config", file)).rejects.toThrow("waiting for its start");
});

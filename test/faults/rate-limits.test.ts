/**
 * Owns the proof that a rate limit holds over processes: however many are saturated, and though some are killed, no window lets in more than
 * its amount, and what is there is used. `npm run faults` takes longer, with 1 to 8 processes.
 */
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openDatabase } from "#platform/database/database.ts";
import { createLogger } from "#platform/logger.ts";
import { migrationsDirectory } from "../../services/policy/service.ts";
import { createEmptyDatabase } from "../harness/database.ts";
import type { Orders, Report, Span } from "./saturated-process.ts";

const isLong = process.env["WEIR_TEST_LEVEL"] === "faults";
const script = fileURLToPath(new URL("./saturated-process.ts", import.meta.url));
const amount = 500;
const windows = isLong ? 10 : 2;

describe.each(isLong ? [1, 2, 3, 4, 5, 6, 7, 8] : [3])("with %i processes", (count) => {
  test("no window lets in more than its amount, and what is there is used", { timeout: 120_000 }, async () => {
    const reports = await saturate(count);
    const perWindow = sumUp(reports);
    const decisions = reports.reduce((sum, report) => sum + report.decisions, 0);
    const decisionMicros = (1_000 * reports.reduce((sum, { decisionsMs }) => sum + decisionsMs, 0)) / decisions;
    print(`${count} processes: ${perWindow.join(" ")} of ${amount}; ${decisions} decided in memory, in ${decisionMicros.toFixed(1)} µs each`);
    expect(Math.max(...perWindow)).toBeLessThanOrEqual(amount);
    expect(sumOf(perWindow)).toBeGreaterThanOrEqual(0.98 * amount * windows);
  });
});

test.runIf(isLong)("a process that is killed takes along no more than it had drawn, and nobody takes more for it", { timeout: 120_000 }, async () => {
  const perWindow = sumUp(await saturate(4, (children, fromMs) => setTimeout(() => children[0]!.kill("SIGKILL"), fromMs + 1_500 - Date.now())));
  print(`4 processes, one killed: ${perWindow.join(" ")} of ${amount}, without what the killed one let in`);
  expect(Math.max(...perWindow)).toBeLessThanOrEqual(amount);
  // Those who are left use all of it, from the window after.
  expect(sumOf(perWindow.slice(2))).toBeGreaterThanOrEqual(0.98 * amount * (windows - 2));
});

async function saturate(count: number, meanwhile: (children: readonly ChildProcess[], fromMs: number) => void = () => undefined): Promise<Report[]> {
  const connection = await createEmptyDatabase();
  // Once, so that the processes need not wait for each other's migrations.
  await (await openDatabase({ connection, schema: "policy", migrationsDirectory, logger: createLogger("silent") })).close();
  const orders: Orders = { connection, amount };
  const children = Array.from({ length: count }, () => fork(script, [JSON.stringify(orders)]));
  await Promise.all(children.map((child) => new Promise((resolve) => child.once("message", resolve))));
  const reports = children.map((child) => new Promise<Report | undefined>((resolve) => {
    child.once("message", (report) => resolve(report as Report));
    child.once("exit", () => resolve(undefined));
  }));
  const fromMs = Math.ceil((Date.now() + 100) / 1_000) * 1_000;
  for (const child of children) child.send({ fromMs, untilMs: fromMs + windows * 1_000 } satisfies Span);
  meanwhile(children, fromMs);
  return (await Promise.all(reports)).filter((report) => report !== undefined);
}

/** What all let in, by window, without those that did not go on from beginning to end. */
function sumUp(reports: readonly Report[]): number[] {
  const seconds = [...new Set(reports.flatMap(({ admitted }) => Object.keys(admitted)))].sort().slice(0, windows);
  return seconds.map((second) => reports.reduce((sum, { admitted }) => sum + (admitted[second] ?? 0), 0));
}

function sumOf(amounts: readonly number[]): number {
  return amounts.reduce((sum, one) => sum + one, 0);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

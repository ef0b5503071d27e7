/** Owns the proof that the dashboard for Grafana asks for what there is, and says of each figure what it is: a panel of a metric that nobody counts stays empty for ever. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./compose-file.ts";
import { labelsByMetric, labelsIn, metricsIn } from "./known-metrics.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
}

const { panels } = JSON.parse(readFileSync(join(root, "deploy/grafana-dashboard.json"), "utf8")) as { readonly panels: readonly Panel[] };
const figures = panels.filter(({ type }) => type !== "row");
/** Of Node itself, which every process tells of. */
const ofNode = new Set(["nodejs_eventloop_lag_p99_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"]);

test.each(figures)("$title asks for metrics and labels that there are, and says what it shows", ({ targets = [], description, fieldConfig }) => {
  expect(targets.length).toBeGreaterThan(0);
  expect(description).toMatch(/\.$/);
  expect(fieldConfig?.defaults.unit).toBeTruthy();
  for (const { expr, legendFormat } of targets) {
    const metrics = metricsIn(expr);
    for (const metric of metrics) expect([...labelsByMetric.keys()], expr).toContain(metric);
    if (metrics.length === 0) expect(ofNode, expr).toContain(/(?:nodejs|process)_\w+/.exec(expr)?.[0]);
    const asked = labelsIn(expr);
    expect(metrics.flatMap((metric) => labelsByMetric.get(metric)!), expr).toEqual(expect.arrayContaining([...asked]));
    const shown = Array.from(legendFormat.matchAll(/\{\{(\w+)\}\}/g), ([, label]) => label!);
    expect([...asked, "instance"], legendFormat).toEqual(expect.arrayContaining(shown));
  }
});

test("each panel has a place of its own", () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)}:${y + Math.floor(cell / w)}`));
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridPos }) => gridPos.x + gridPos.w))).toBe(24);
});

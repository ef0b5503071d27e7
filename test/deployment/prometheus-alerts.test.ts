/** Owns the proof that the alerts for Prometheus ask for what there is: a metric, a label or an outcome that nobody counts would never alarm. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { root } from "./compose-file.ts";
import { labelsByMetric, labelsIn, metricsIn } from "./known-metrics.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

const { groups } = parse(readFileSync(join(root, "deploy/prometheus-alerts.yaml"), "utf8")) as { groups: { name: string; rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

test.each(rules)("$alert asks for metrics and labels that there are, and says what to do", ({ expr, labels, annotations }) => {
  const metrics = metricsIn(expr);
  for (const metric of metrics) expect([...labelsByMetric.keys()], expr).toContain(metric);
  if (metrics.length === 0) expect(expr).toMatch(/^nodejs_eventloop_lag_p99_seconds /);
  const known = metrics.flatMap((metric) => labelsByMetric.get(metric)!);
  const asked = labelsIn(expr);
  expect(known).toEqual(expect.arrayContaining([...asked]));
  const shown = [...`${annotations.summary} ${annotations.description}`.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!);
  expect([...asked, "instance"]).toEqual(expect.arrayContaining(shown));
  expect(["critical", "warning"]).toContain(labels.severity);
  for (const [, page] of annotations.description.matchAll(/\b(docs\/[\w-]+\.md)/g)) readFileSync(join(root, page!));
});

test("outcomes of requests are reasons that Weir gives", () => {
  const [, outcomes] = /outcome=~"([A-Z_|]+)"/.exec(rules.find(({ alert }) => alert === "WeirFails")!.expr)!;
  expect(Object.keys(ErrorReason)).toEqual(expect.arrayContaining(outcomes!.split("|")));
});

test("each alert has a name of its own", () => {
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  expect(rules.length).toBeGreaterThan(5);
});

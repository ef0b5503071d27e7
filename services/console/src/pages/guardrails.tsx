/** Owns the list of guardrails: what is looked for in calls, and what happens then. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import type { Guardrail, GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { Empty } from "../parts/states.tsx";
import { subjectOf } from "../subject.ts";

const judges: Readonly<Record<string, string>> = { plugin: "what a plug-in judges", moderation: "what a moderation model judges", judge: "what a model judges" };

export function GuardrailsPage(): ReactNode {
  const names = useNames();
  const query = useInfiniteQuery(PolicyService.method.listGuardrails, { pageSize: 200, pageToken: "" }, byPage);
  return (
    <Page title="Guardrails">
      <PagedTable
        query={query}
        deed="see guardrails"
        rowsOf={({ guardrails }) => guardrails}
        empty={<Empty command="npx weir guardrails create no-secrets --detect secret --mode block">No guardrails: nobody looks at what calls say. Make one in weir.yaml, or in a terminal:</Empty>}
        caption="Guardrails"
        keyOf={({ id, rule }) => id || (rule?.name ?? "")}
        columns={columnsOf(names)}
      />
    </Page>
  );
}

function columnsOf(names: Names): Column<Guardrail>[] {
  return [
    { title: "Name", order: ({ rule }) => rule?.name ?? "", cell: ({ rule, createTime }) => <>{rule?.name}{createTime === undefined && <span className="quiet"> · in weir.yaml</span>}</> },
    { title: "Looks for", isLong: true, cell: ({ rule }) => rule !== undefined && soughtBy(rule) },
    { title: "Then", order: ({ rule }) => rule?.mode ?? "", cell: ({ rule }) => rule?.mode },
    { title: "In", cell: ({ rule }) => rule?.sides.join(", ") || "input, output" },
    { title: "Models", isLong: true, cell: ({ rule }) => rule?.models.join(", ") || <span className="quiet">all</span> },
    { title: "Calls of", cell: ({ rule }) => subjectOf(rule, names) },
  ];
}

function soughtBy(rule: GuardrailRule): string {
  const { detectors, patterns, words, topics } = rule;
  const sought = [
    ...detectors.map((detector) => detector.replaceAll("_", " ")),
    numbered(patterns.length, "pattern"),
    numbered(words.length, "word"),
    numbered(topics.length, "topic"),
    judges[rule.check.case ?? ""] ?? "",
    rule.caps === undefined ? "" : "parameters above caps",
    rule.replySchema === undefined ? "" : "replies that do not fit a schema",
  ];
  return sought.filter((word) => word !== "").join(", ") || "every call";
}

function numbered(size: number, word: string): string {
  return size === 0 ? "" : `${size} ${word}${size === 1 ? "" : "s"}`;
}

/** Owns guardrails: what is looked for in calls, and what happens then; making, testing and deleting them. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import type { Guardrail } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { ConfirmDialog } from "../dialogs/confirm-dialog.tsx";
import { CreateGuardrailDialog } from "../dialogs/create-guardrail-dialog.tsx";
import { TestGuardrailDialog } from "../dialogs/test-guardrail-dialog.tsx";
import { soughtBy } from "../guardrail-words.ts";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { useDialog, type OpenDialog } from "../parts/dialog.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { actionsColumn, type RowAction } from "../parts/row-actions.tsx";
import { Empty } from "../parts/states.tsx";
import { subjectOf } from "../subject.ts";

export function GuardrailsPage(): ReactNode {
  const names = useNames();
  const [dialog, open] = useDialog();
  const query = useInfiniteQuery(PolicyService.method.listGuardrails, { pageSize: 200, pageToken: "" }, byPage);
  return (
    <Page title="Guardrails" actions={<button type="button" className="primary" onClick={() => open((onClose) => <CreateGuardrailDialog onClose={onClose} />)}>Create guardrail</button>}>
      <PagedTable
        query={query}
        deed="see guardrails"
        rowsOf={({ guardrails }) => guardrails}
        empty={<Empty command="npx weir guardrails create no-secrets --detect secret --mode block">No guardrails: nobody looks at what calls say. Create one here, in weir.yaml, or in a terminal:</Empty>}
        caption="Guardrails"
        keyOf={(guardrail) => guardrail.id || nameOf(guardrail)}
        columns={[...columnsOf(names), actionsColumn(nameOf, actionsOf(open))]}
      />
      {dialog}
    </Page>
  );
}

function nameOf({ rule }: Guardrail): string {
  return rule?.name ?? "";
}

function columnsOf(names: Names): Column<Guardrail>[] {
  return [
    { title: "Name", order: nameOf, cell: (guardrail) => <>{nameOf(guardrail)}{!isMadeHere(guardrail) && <span className="quiet"> · in weir.yaml</span>}</> },
    { title: "Looks for", isLong: true, cell: ({ rule }) => rule !== undefined && soughtBy(rule) },
    { title: "Then", order: ({ rule }) => rule?.mode ?? "", cell: ({ rule }) => rule?.mode },
    { title: "In", cell: ({ rule }) => rule?.sides.join(", ") || "input, output" },
    { title: "Models", isLong: true, cell: ({ rule }) => rule?.models.join(", ") || <span className="quiet">all</span> },
    { title: "Calls of", cell: ({ rule }) => subjectOf(rule, names) },
  ];
}

function actionsOf(open: OpenDialog): RowAction<Guardrail>[] {
  return [
    { title: "Test", run: ({ rule }) => open((onClose) => <TestGuardrailDialog rule={rule!} onClose={onClose} />) },
    { title: "Delete", isOffered: isMadeHere, run: (guardrail) => open((onClose) => (
      <ConfirmDialog title={`Delete “${nameOf(guardrail)}”?`} action="Delete guardrail" isDangerous deed="delete guardrails" method={PolicyService.method.deleteGuardrail} input={{ guardrailId: guardrail.id }} listed={PolicyService.method.listGuardrails} onClose={onClose}>
        Within a second, no call is looked at for it any more.
      </ConfirmDialog>
    )) },
  ];
}

/** What stands in weir.yaml is changed there. */
function isMadeHere({ createTime }: Guardrail): boolean {
  return createTime !== undefined;
}

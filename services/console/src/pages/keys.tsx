/** Owns keys: who calls, when they did last, and making, rotating and revoking them. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import type { Key } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { ChangeKeyDialog } from "../dialogs/change-key-dialog.tsx";
import { ConfirmDialog } from "../dialogs/confirm-dialog.tsx";
import { CreateKeyDialog } from "../dialogs/create-key-dialog.tsx";
import { RotateKeyDialog } from "../dialogs/rotate-key-dialog.tsx";
import { moment } from "../format/time.ts";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { useDialog, type OpenDialog } from "../parts/dialog.tsx";
import { Ago, Mark } from "../parts/marks.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { actionsColumn, type RowAction } from "../parts/row-actions.tsx";
import { Empty } from "../parts/states.tsx";
import { roleTitle } from "../roles.ts";

export function KeysPage(): ReactNode {
  const names = useNames();
  const [dialog, open] = useDialog();
  const query = useInfiniteQuery(PolicyService.method.listKeys, { pageSize: 200, pageToken: "" }, byPage);
  return (
    <Page title="Keys" actions={<button type="button" className="primary" onClick={() => open((onClose) => <CreateKeyDialog onClose={onClose} />)}>Create key</button>}>
      <PagedTable
        query={query}
        deed="see keys"
        rowsOf={({ keys }) => keys}
        empty={<Empty>No keys yet. Applications call Weir with one: create the first.</Empty>}
        caption="Keys"
        keyOf={({ id }) => id}
        columns={[...columnsOf(names), actionsColumn(({ name }) => name, actionsOf(open))]}
      />
      {dialog}
    </Page>
  );
}

function columnsOf(names: Names): Column<Key>[] {
  return [
    { title: "Name", isLong: true, order: ({ name }) => name, cell: ({ name, labels, createTime }) => <span title={createTime && `created ${moment(createTime)}`}>{name} <span className="quiet">{Object.entries(labels).map(([label, value]) => `${label}=${value}`).join(", ")}</span></span> },
    { title: "State", order: stateOf, cell: (key) => <Mark tone={stateOf(key) === "valid" ? "good" : "still"}>{stateOf(key)}</Mark> },
    { title: "Secret", cell: ({ secretPrefix, issuer }) => (secretPrefix === "" ? <span className="quiet">{issuer}</span> : <code>{secretPrefix}…</code>) },
    { title: "Team", order: ({ teamId }) => names.team(teamId), cell: ({ teamId }) => names.team(teamId) },
    ...(names.hasOneOrganization ? [] : [{ title: "Organization", order: ({ organizationId }: Key) => names.organization(organizationId), cell: ({ organizationId }: Key) => names.organization(organizationId) }]),
    { title: "Role", order: ({ role }) => roleTitle(role), cell: ({ role }) => roleTitle(role) },
    { title: "May call", isLong: true, cell: ({ scope }) => scope?.models.join(", ") || <span className="quiet">all models</span> },
    { title: "Last used", order: ({ lastUseTime }) => (lastUseTime === undefined ? 0 : timestampMs(lastUseTime)), cell: ({ lastUseTime }) => <Ago time={lastUseTime} otherwise="never" /> },
  ];
}

function actionsOf(open: OpenDialog): RowAction<Key>[] {
  return [
    { title: "Change", isOffered: (key) => stateOf(key) !== "revoked", run: (key) => open((onClose) => <ChangeKeyDialog changed={key} onClose={onClose} />) },
    // A key of an issuer's token has no secret of ours.
    { title: "Rotate", isOffered: (key) => stateOf(key) === "valid" && key.secretPrefix !== "", run: (key) => open((onClose) => <RotateKeyDialog rotated={key} onClose={onClose} />) },
    { title: "Revoke", isOffered: (key) => stateOf(key) !== "revoked", run: ({ id, name }) => open((onClose) => (
      <ConfirmDialog title={`Revoke “${name}”?`} action="Revoke key" isDangerous deed="revoke keys" method={PolicyService.method.revokeKey} input={{ keyId: id }} listed={PolicyService.method.listKeys} onClose={onClose}>
        Whoever calls with it is refused within a second, and streams under way are cut. This cannot be undone.
      </ConfirmDialog>
    )) },
  ];
}

function stateOf({ revokeTime, expireTime }: Key): string {
  if (revokeTime !== undefined) return "revoked";
  return expireTime !== undefined && timestampMs(expireTime) <= Date.now() ? "expired" : "valid";
}

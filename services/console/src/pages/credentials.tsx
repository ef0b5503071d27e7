/** Owns the credentials for vendors that are stored: storing, rotating, changing and removing them. Their secrets are never seen again. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import type { Credential } from "#gen/weir/providers/v1/credential_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { ChangeCredentialDialog } from "../dialogs/change-credential-dialog.tsx";
import { ConfirmDialog } from "../dialogs/confirm-dialog.tsx";
import { RotateCredentialDialog } from "../dialogs/rotate-credential-dialog.tsx";
import { StoreCredentialDialog } from "../dialogs/store-credential-dialog.tsx";
import { moment } from "../format/time.ts";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { useDialog, type OpenDialog } from "../parts/dialog.tsx";
import { Ago, Mark } from "../parts/marks.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { actionsColumn, type RowAction } from "../parts/row-actions.tsx";
import { Empty } from "../parts/states.tsx";

const { method } = ProvidersService;

export function CredentialsPage(): ReactNode {
  const names = useNames();
  const [dialog, open] = useDialog();
  const query = useInfiniteQuery(method.listCredentials, { pageSize: 200, pageToken: "" }, byPage);
  return (
    <Page title="Credentials" actions={<button type="button" className="primary" onClick={() => open((onClose) => <StoreCredentialDialog onClose={onClose} />)}>Store credential</button>}>
      <PagedTable
        query={query}
        deed="see credentials"
        rowsOf={({ credentials }) => credentials}
        empty={<Empty command="npx weir credentials add openai < file">None is stored: providers use the keys of weir.yaml or of the environment. For a provider that has stored_credentials there, store one here, or in a terminal:</Empty>}
        caption="Credentials"
        keyOf={({ id }) => id}
        columns={[...columnsOf(names), actionsColumn(({ name }) => name, actionsOf(open))]}
      />
      {dialog}
    </Page>
  );
}

function columnsOf(names: Names): Column<Credential>[] {
  return [
    { title: "Provider", order: ({ provider }) => provider, cell: ({ provider }) => provider },
    { title: "Name", isLong: true, order: ({ name }) => name, cell: ({ name }) => name },
    { title: "Secret", cell: ({ hint }) => hint !== "" && <code>…{hint}</code> },
    { title: "For calls of", order: ({ organizationId }) => names.organization(organizationId), cell: ({ organizationId }) => (organizationId === "" ? <span className="quiet">everybody</span> : names.organization(organizationId)) },
    { title: "Weight", isNumber: true, order: ({ weight }) => weight, cell: ({ weight }) => weight },
    { title: "Stored", order: ({ createTime }) => (createTime === undefined ? 0 : timestampMs(createTime)), cell: ({ createTime }) => <Ago time={createTime} /> },
    { title: "State", cell: stateOf },
  ];
}

function stateOf({ enabled, refuseTime }: Credential): ReactNode {
  if (!enabled) return <Mark tone="still">not used</Mark>;
  return refuseTime === undefined ? <Mark tone="good">in use</Mark> : <Mark tone="bad">refused by the vendor {moment(refuseTime)}</Mark>;
}

function actionsOf(open: OpenDialog): RowAction<Credential>[] {
  const ofList = { listed: method.listCredentials };
  const enabledMask = { updateMask: { paths: ["enabled"] } };
  return [
    { title: "Rotate", run: (credential) => open((onClose) => <RotateCredentialDialog credential={credential} onClose={onClose} />) },
    { title: "Change", run: (credential) => open((onClose) => <ChangeCredentialDialog credential={credential} onClose={onClose} />) },
    {
      title: "Turn off",
      isOffered: ({ enabled }) => enabled,
      run: ({ id: credentialId, name }) => open((onClose) => (
        <ConfirmDialog title={`Turn “${name}” off?`} action="Turn off" deed="change credentials" method={method.updateCredential} input={{ credentialId, enabled: false, ...enabledMask }} {...ofList} onClose={onClose}>
          No further call uses it, until it is turned on again; calls that run go on.
        </ConfirmDialog>
      )),
    },
    {
      title: "Turn on",
      isOffered: ({ enabled }) => !enabled,
      run: ({ id: credentialId, name }) => open((onClose) => (
        <ConfirmDialog title={`Turn “${name}” on?`} action="Turn on" deed="change credentials" method={method.updateCredential} input={{ credentialId, enabled: true, ...enabledMask }} {...ofList} onClose={onClose}>
          Calls use it again, as often as its weight says.
        </ConfirmDialog>
      )),
    },
    {
      title: "Remove",
      run: ({ id: credentialId, name }) => open((onClose) => (
        <ConfirmDialog title={`Remove “${name}”?`} action="Remove credential" isDangerous deed="remove credentials" method={method.deleteCredential} input={{ credentialId }} {...ofList} onClose={onClose}>
          Calls that run go on with it, no further one does. Weir forgets its secret.
        </ConfirmDialog>
      )),
    },
  ];
}

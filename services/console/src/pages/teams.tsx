/** Owns who there is: organizations, their teams and members; making, renaming, suspending and removing them. */
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import type { Member } from "#gen/weir/policy/v1/member_pb.ts";
import type { Organization } from "#gen/weir/policy/v1/organization_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Team } from "#gen/weir/policy/v1/team_pb.ts";
import { AddMemberDialog } from "../dialogs/add-member-dialog.tsx";
import { ChangeRoleDialog } from "../dialogs/change-role-dialog.tsx";
import { ConfirmDialog } from "../dialogs/confirm-dialog.tsx";
import { CreateOrganizationDialog } from "../dialogs/create-organization-dialog.tsx";
import { CreateTeamDialog } from "../dialogs/create-team-dialog.tsx";
import { isSuspended, tenantActions, type Tenant, type TenantChange } from "../dialogs/tenant-actions.tsx";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { useDialog, type OpenDialog } from "../parts/dialog.tsx";
import { Ago, Mark } from "../parts/marks.tsx";
import { Card, Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { actionsColumn, type RowAction } from "../parts/row-actions.tsx";
import { Empty } from "../parts/states.tsx";
import { roleTitle } from "../roles.ts";
import { isInstallationAdmin, useSession } from "../session.ts";

const { method } = PolicyService;
const firstPage = { pageSize: 200, pageToken: "" };

export function TeamsPage(): ReactNode {
  const [dialog, open] = useDialog();
  const session = useSession();
  return (
    <Page title="Teams">
      {isInstallationAdmin(session) && <Organizations open={open} />}
      <Teams open={open} />
      <Members open={open} />
      {dialog}
    </Page>
  );
}

function Organizations({ open }: { readonly open: OpenDialog }): ReactNode {
  const query = useInfiniteQuery(method.listOrganizations, firstPage, byPage);
  const columns: Column<Organization>[] = [nameColumn, stateColumn, createdColumn, idColumn, actionsColumn(nameOf, tenantActions(organizationKind, open))];
  return (
    <Card title="Organizations" actions={<button type="button" onClick={() => open((onClose) => <CreateOrganizationDialog onClose={onClose} />)}>Create organization</button>}>
      <PagedTable
        query={query}
        deed="see organizations"
        rowsOf={({ organizations }) => organizations}
        empty={<Empty>None: create the first.</Empty>}
        caption="Organizations"
        keyOf={({ id }) => id}
        columns={columns}
      />
    </Card>
  );
}

function Teams({ open }: { readonly open: OpenDialog }): ReactNode {
  const names = useNames();
  const query = useInfiniteQuery(method.listTeams, firstPage, byPage);
  const columns: Column<Team>[] = [nameColumn, ...organizationColumns(names), stateColumn, createdColumn, idColumn, actionsColumn(nameOf, tenantActions(teamKind, open))];
  return (
    <Card title="Teams" actions={<button type="button" onClick={() => open((onClose) => <CreateTeamDialog onClose={onClose} />)}>Create team</button>}>
      <PagedTable
        query={query}
        deed="see teams"
        rowsOf={({ teams }) => teams}
        empty={<Empty>No teams. Keys are made in one: create the first.</Empty>}
        caption="Teams"
        keyOf={({ id }) => id}
        columns={columns}
      />
    </Card>
  );
}

function Members({ open }: { readonly open: OpenDialog }): ReactNode {
  const names = useNames();
  const query = useInfiniteQuery(method.listMembers, firstPage, byPage);
  const columns: Column<Member>[] = [
    { title: "Email", isLong: true, order: emailOf, cell: emailOf },
    ...organizationColumns(names),
    { title: "Role", order: ({ role }) => roleTitle(role), cell: ({ role }) => roleTitle(role) },
    { ...createdColumn, title: "Since" },
    idColumn,
    actionsColumn(emailOf, memberActions(open)),
  ];
  return (
    <Card title="Members" actions={<button type="button" onClick={() => open((onClose) => <AddMemberDialog onClose={onClose} />)}>Add member</button>}>
      <PagedTable
        query={query}
        deed="see members"
        rowsOf={({ members }) => members}
        empty={<Empty>Nobody. Keys that are a member&apos;s may do what the member may, and end with the membership.</Empty>}
        caption="Members"
        keyOf={({ id }) => id}
        columns={columns}
      />
    </Card>
  );
}

const organizationKind = { kind: "organization", method: method.updateOrganization, listed: method.listOrganizations, inputOf: (organizationId: string, change: TenantChange) => ({ organizationId, ...change }) };
const teamKind = { kind: "team", method: method.updateTeam, listed: method.listTeams, inputOf: (teamId: string, change: TenantChange) => ({ teamId, ...change }) };

const nameColumn: Column<{ readonly name: string }> = { title: "Name", isLong: true, order: nameOf, cell: nameOf };
const idColumn: Column<{ readonly id: string }> = { title: "Id", cell: ({ id }) => <code>{id}</code> };
const createdColumn: Column<{ readonly createTime?: Timestamp | undefined }> = { title: "Created", order: ({ createTime }) => (createTime === undefined ? 0 : timestampMs(createTime)), cell: ({ createTime }) => <Ago time={createTime} /> };
const stateColumn: Column<Tenant> = { title: "State", order: (tenant) => Number(isSuspended(tenant)), cell: (tenant) => (isSuspended(tenant) ? <Mark tone="still">suspended</Mark> : <Mark tone="good">active</Mark>) };

/** None where there is one organization alone. */
function organizationColumns(names: Names): Column<{ readonly organizationId: string }>[] {
  return names.hasOneOrganization ? [] : [{ title: "Organization", order: ({ organizationId }) => names.organization(organizationId), cell: ({ organizationId }) => names.organization(organizationId) }];
}

function memberActions(open: OpenDialog): RowAction<Member>[] {
  return [
    { title: "Change role", run: (member) => open((onClose) => <ChangeRoleDialog member={member} onClose={onClose} />) },
    { title: "Remove", run: ({ id: memberId, email }) => open((onClose) => (
      <ConfirmDialog title={`Remove ${email}?`} action="Remove member" isDangerous deed="remove members" method={method.deleteMember} input={{ memberId }} listed={method.listMembers} onClose={onClose}>
        The person&apos;s keys are revoked within a second. This cannot be undone.
      </ConfirmDialog>
    )) },
  ];
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

function emailOf({ email }: Member): string {
  return email;
}

/** Owns keys: who calls, when they did last, and making, rotating and revoking them. */
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { useInfiniteQuery, useMutation, useQuery } from "@connectrpc/connect-query";
import { useState, type ReactNode } from "react";
import type { Key } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import type { Team } from "#gen/weir/policy/v1/team_pb.ts";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { FormDialog } from "../parts/dialog.tsx";
import { Choice, Field, textOf } from "../parts/fields.tsx";
import { Ago, Mark } from "../parts/marks.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { RotateKeyDialog } from "../parts/rotate-key-dialog.tsx";
import { SecretDialog } from "../parts/secret-dialog.tsx";
import { Empty } from "../parts/states.tsx";
import { useRefresh } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";
import { keyRoles, roleTitle } from "../roles.ts";

const dayMs = 86_400_000;

export function KeysPage(): ReactNode {
  const names = useNames();
  const [creating, setCreating] = useState(false);
  const [rotated, setRotated] = useState<Key>();
  const [revoked, setRevoked] = useState<Key>();
  const query = useInfiniteQuery(PolicyService.method.listKeys, { pageSize: 200, pageToken: "" }, byPage);
  return (
    <Page title="Keys" actions={<button type="button" className="primary" onClick={() => setCreating(true)}>Create key</button>}>
      <PagedTable
        query={query}
        deed="see keys"
        rowsOf={({ keys }) => keys}
        empty={<Empty>No keys yet. Applications call Weir with one: create the first.</Empty>}
        caption="Keys"
        keyOf={({ id }) => id}
        columns={columnsOf(names, setRotated, setRevoked)}
      />
      {creating && <CreateKeyDialog names={names} onClose={() => setCreating(false)} />}
      {rotated !== undefined && <RotateKeyDialog rotated={rotated} onClose={() => setRotated(undefined)} />}
      {revoked !== undefined && <RevokeKeyDialog revoked={revoked} onClose={() => setRevoked(undefined)} />}
    </Page>
  );
}

function columnsOf(names: Names, rotate: (key: Key) => void, revoke: (key: Key) => void): Column<Key>[] {
  return [
    { title: "Name", isLong: true, order: ({ name }) => name, cell: ({ name, labels }) => <>{name} <span className="quiet">{Object.entries(labels).map(([label, value]) => `${label}=${value}`).join(", ")}</span></> },
    { title: "Secret", cell: ({ secretPrefix, issuer }) => (secretPrefix === "" ? <span className="quiet">{issuer}</span> : <code>{secretPrefix}…</code>) },
    { title: "Team", order: ({ teamId }) => names.team(teamId), cell: ({ teamId }) => names.team(teamId) },
    ...(names.hasOneOrganization ? [] : [{ title: "Organization", order: ({ organizationId }: Key) => names.organization(organizationId), cell: ({ organizationId }: Key) => names.organization(organizationId) }]),
    { title: "Role", order: ({ role }) => roleTitle(role), cell: ({ role }) => roleTitle(role) },
    { title: "May call", isLong: true, cell: ({ scope }) => scope?.models.join(", ") || <span className="quiet">all models</span> },
    { title: "Created", order: ({ createTime }) => (createTime === undefined ? 0 : timestampMs(createTime)), cell: ({ createTime }) => <Ago time={createTime} /> },
    { title: "Last used", order: ({ lastUseTime }) => (lastUseTime === undefined ? 0 : timestampMs(lastUseTime)), cell: ({ lastUseTime }) => <Ago time={lastUseTime} otherwise="never" /> },
    { title: "State", order: stateOf, cell: (key) => <Mark tone={stateOf(key) === "valid" ? "good" : "still"}>{stateOf(key)}</Mark> },
    // A key of an issuer's token has no secret of ours.
    { title: "", cell: (key) => (stateOf(key) === "valid" && key.secretPrefix !== "" ? <button type="button" className="plain" aria-label={`Rotate ${key.name}`} onClick={() => rotate(key)}>Rotate</button> : null) },
    { title: "", cell: (key) => (stateOf(key) === "revoked" ? null : <button type="button" className="plain" aria-label={`Revoke ${key.name}`} onClick={() => revoke(key)}>Revoke</button>) },
  ];
}

function stateOf({ revokeTime, expireTime }: Key): string {
  if (revokeTime !== undefined) return "revoked";
  return expireTime !== undefined && timestampMs(expireTime) <= Date.now() ? "expired" : "valid";
}

function CreateKeyDialog({ names, onClose }: { readonly names: Names; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const refreshKeys = useRefresh(PolicyService.method.listKeys);
  const teams = useQuery(PolicyService.method.listTeams, { pageSize: 1_000 });
  const { mutate, data, error, isPending } = useMutation(PolicyService.method.createKey, { onSuccess: refreshKeys });
  if (data !== undefined) return <SecretDialog keyName={data.key?.name ?? ""} secret={data.secret} onClose={onClose} />;
  const create = (fields: FormData): void => {
    const models = textOf(fields, "models").split(/[\s,]+/).filter((model) => model !== "");
    const days = Number(textOf(fields, "days"));
    mutate({
      requestId,
      name: textOf(fields, "name"),
      teamId: textOf(fields, "team"),
      role: Number(textOf(fields, "role")) as Role,
      ...(models.length === 0 ? {} : { scope: { models } }),
      ...(days === 0 ? {} : { expireTime: timestampFromMs(Date.now() + days * dayMs) }),
    });
  };
  return (
    <FormDialog title="Create key" action="Create key" isPending={isPending} error={error} deed="create keys" onClose={onClose} onSubmit={create}>
      <Field label="Name" name="name" required maxLength={100} autoFocus placeholder="checkout service" />
      <Choice label="Team" name="team" required>
        {(teams.data?.teams ?? []).map((team) => <option key={team.id} value={team.id}>{teamTitle(team, teams.data?.teams ?? [], names)}</option>)}
      </Choice>
      <Choice label="Role" name="role" defaultValue={Role.INFERENCE}>
        {keyRoles.map(([role, title]) => <option key={role} value={role}>{title}</option>)}
      </Choice>
      <Field label="Models it may call" name="models" placeholder="all" hint="Routes, provider/model or provider/*, with commas between." />
      <Choice label="Ends" name="days">
        <option value="0">never</option>
        <option value="30">in 30 days</option>
        <option value="90">in 90 days</option>
        <option value="365">in a year</option>
      </Choice>
    </FormDialog>
  );
}

/** With its organization, where there are several. */
function teamTitle({ name, organizationId }: Team, all: readonly Team[], names: Names): string {
  return all.every((team) => team.organizationId === organizationId) ? name : `${names.organization(organizationId)} / ${name}`;
}

function RevokeKeyDialog({ revoked, onClose }: { readonly revoked: Key; readonly onClose: () => void }): ReactNode {
  const refreshKeys = useRefresh(PolicyService.method.listKeys);
  const { mutate, error, isPending } = useMutation(PolicyService.method.revokeKey, {
    onSuccess: async () => {
      await refreshKeys();
      onClose();
    },
  });
  return (
    <FormDialog title={`Revoke “${revoked.name}”?`} action="Revoke key" isDangerous isPending={isPending} error={error} deed="revoke keys" onClose={onClose} onSubmit={() => mutate({ keyId: revoked.id })}>
      <p>Whoever calls with it is refused within a second, and streams under way are cut. This cannot be undone.</p>
    </FormDialog>
  );
}

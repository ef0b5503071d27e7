/** Owns making a key. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { useMutation, useQuery } from "@connectrpc/connect-query";
import { useState, type ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import type { Team } from "#gen/weir/policy/v1/team_pb.ts";
import { useNames, type Names } from "../names.ts";
import { FormDialog } from "../parts/dialog.tsx";
import { Choice, Field, listOf, textOf } from "../parts/fields.tsx";
import { useRefresh } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";
import { keyRoles, roleTitle } from "../roles.ts";
import { SecretDialog } from "./secret-dialog.tsx";

const dayMs = 86_400_000;

export function CreateKeyDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const [memberId, setMemberId] = useState("");
  const names = useNames();
  const refreshKeys = useRefresh(PolicyService.method.listKeys);
  const teams = useQuery(PolicyService.method.listTeams, { pageSize: 1_000 });
  const members = useQuery(PolicyService.method.listMembers, { pageSize: 1_000 });
  const { mutate, data, error, isPending } = useMutation(PolicyService.method.createKey, { onSuccess: refreshKeys });
  if (data !== undefined) return <SecretDialog keyName={data.key?.name ?? ""} secret={data.secret} onClose={onClose} />;
  const create = (fields: FormData): void => {
    const models = listOf(fields, "models");
    const days = Number(textOf(fields, "days"));
    mutate({
      requestId,
      name: textOf(fields, "name"),
      teamId: textOf(fields, "team"),
      // A member's key has the member's role.
      ...(memberId === "" ? { role: Number(textOf(fields, "role")) as Role } : { memberId }),
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
      {(members.data?.members.length ?? 0) > 0 && (
        <Choice label="Whose it is" value={memberId} onChange={(event) => setMemberId(event.target.value)}>
          <option value="">an application&apos;s</option>
          {members.data?.members.map(({ id, email, role }) => <option key={id} value={id}>{email} ({roleTitle(role)})</option>)}
        </Choice>
      )}
      {memberId === "" && (
        <Choice label="Role" name="role" defaultValue={Role.INFERENCE}>
          {keyRoles.map(([role, title]) => <option key={role} value={role}>{title}</option>)}
        </Choice>
      )}
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

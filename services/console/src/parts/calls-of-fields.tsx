/** Owns the fields for whose calls a rule is about: those of an organization, or of one of its teams. */
import { useQuery } from "@connectrpc/connect-query";
import { useState, type ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Choice, textOf } from "./fields.tsx";
import { OrganizationField } from "./organization-field.tsx";

export function CallsOfFields({ label }: { readonly label: string }): ReactNode {
  const [organizationId, setOrganizationId] = useState("");
  const teams = useQuery(PolicyService.method.listTeams, { organizationId, pageSize: 1_000 }, { enabled: organizationId !== "" });
  return (
    <>
      <OrganizationField onChoose={setOrganizationId} />
      <Choice label={label} name="team">
        <option value="">the whole organization</option>
        {teams.data?.teams.map(({ id, name }) => <option key={id} value={id}>team {name}</option>)}
      </Choice>
    </>
  );
}

/** What was chosen; no team means all of them. */
export function callsIn(fields: FormData): { readonly organizationId: string; readonly teamId: string } {
  return { organizationId: textOf(fields, "organization"), teamId: textOf(fields, "team") };
}

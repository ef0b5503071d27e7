/** Owns the field for the organization that something is of: seen only where there are several. */
import { useQuery } from "@connectrpc/connect-query";
import { useEffect, useState, type ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Choice } from "./fields.tsx";

/** In the form, it is `organization`. */
export function OrganizationField({ onChoose }: { readonly onChoose?: (organizationId: string) => void }): ReactNode {
  const [named, setNamed] = useState<string>();
  const { data } = useQuery(PolicyService.method.listOrganizations, { pageSize: 1_000 });
  const organizations = data?.organizations ?? [];
  const chosen = named ?? organizations[0]?.id ?? "";
  useEffect(() => onChoose?.(chosen), [chosen, onChoose]);
  if (organizations.length < 2) return <input type="hidden" name="organization" value={chosen} />;
  return (
    <Choice label="Organization" name="organization" value={chosen} onChange={(event) => setNamed(event.target.value)}>
      {organizations.map(({ id, name }) => <option key={id} value={id}>{name}</option>)}
    </Choice>
  );
}

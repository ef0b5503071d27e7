/** Owns the names of organizations, teams and keys, by which people know what reports tell by id. */
import { useQuery } from "@connectrpc/connect-query";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";

export interface Names {
  /** Then which one it is goes without saying. */
  readonly hasOneOrganization: boolean;
  readonly organization: (id: string) => string;
  readonly team: (id: string) => string;
  readonly key: (id: string) => string;
}

const most = { pageSize: 1_000 };
const habits = { staleTime: 60_000 };

/** Names that are not here (yet), as of one key in more than a thousand, are ids. */
export function useNames(): Names {
  const organizations = useQuery(PolicyService.method.listOrganizations, most, habits);
  const teams = useQuery(PolicyService.method.listTeams, most, habits);
  const keys = useQuery(PolicyService.method.listKeys, most, habits);
  return {
    hasOneOrganization: organizations.data?.organizations.length === 1,
    organization: namesOf(organizations.data?.organizations),
    team: namesOf(teams.data?.teams),
    key: namesOf(keys.data?.keys),
  };
}

function namesOf(named: readonly { readonly id: string; readonly name: string }[] = []): (id: string) => string {
  const names = new Map(named.map(({ id, name }) => [id, name]));
  return (id) => names.get(id) ?? id;
}

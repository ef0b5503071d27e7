/** Owns the organization that a command is about when none is named. */
import type { Client } from "@connectrpc/connect";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { everyPage } from "./every-page.ts";

/** The id of the only one that the key reaches. Throws INVALID_REQUEST where it reaches several. */
export async function onlyOrganization(policy: Client<typeof PolicyService>): Promise<string> {
  const organizations = await everyPage((page) => policy.listOrganizations(page), (page) => page.organizations);
  if (organizations.length === 1) return organizations[0]!.id;
  throw new GatewayError("INVALID_REQUEST", `There are ${organizations.length} organizations; name one of \`weir organizations list\` with --organization.`);
}

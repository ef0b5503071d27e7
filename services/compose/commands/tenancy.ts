/** Owns `weir organizations`, `weir teams` and `weir members`: who there is in a running Weir. */
import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { Command } from "commander";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { onlyOrganization } from "../terminal/only-organization.ts";
import { nameOfRole, roleNamed, roleNames } from "../terminal/roles.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";

interface OrganizationOption extends RunningWeirOptions {
  readonly organization?: string;
}

interface RoleOption extends RunningWeirOptions {
  readonly role: string;
}

type Policy = Client<typeof PolicyService>;

export function addOrganizationsCommand(program: Command, environment: Environment): void {
  const policyOf = (options: RunningWeirOptions): Promise<Policy> => connect(PolicyService, options, environment);
  const organizations = program.command("organizations").description("create, list, rename, suspend and resume organizations");
  addRunningWeirOptions(organizations.command("create <name>").description("create an organization")).action(async (name: string, options: RunningWeirOptions) => {
    const { organization } = await (await policyOf(options)).createOrganization({ name });
    console.log(`Created ${organization!.id}.`);
  });
  addRunningWeirOptions(organizations.command("list").description("list organizations, by name")).action(async (options: RunningWeirOptions) => {
    const policy = await policyOf(options);
    const found = await everyPage((page) => policy.listOrganizations(page), (page) => page.organizations);
    print(["ID", "NAME", "CREATED", "STATE"], found.map(({ id, name, createTime, suspendTime }) => [id, name, shownDay(createTime!), stateOf(suspendTime)]));
  });
  addRunningWeirOptions(organizations.command("rename <id> <name>").description("give an organization another name")).action(async (organizationId: string, name: string, options: RunningWeirOptions) => {
    await (await policyOf(options)).updateOrganization({ organizationId, name, updateMask: { paths: ["name"] } });
    console.log(`Renamed ${organizationId}.`);
  });
  addSuspension(organizations, "refuse an organization's keys, at once", async (organizationId, suspended, options) => {
    await (await policyOf(options)).updateOrganization({ organizationId, suspended, updateMask: { paths: ["suspended"] } });
  });
}

export function addTeamsCommand(program: Command, environment: Environment): void {
  const policyOf = (options: RunningWeirOptions): Promise<Policy> => connect(PolicyService, options, environment);
  const teams = program.command("teams").description("create, list, rename, suspend and resume teams");
  addOrganizationOption(teams.command("create <name>").description("create a team")).action(async (name: string, options: OrganizationOption) => {
    const policy = await policyOf(options);
    const { team } = await policy.createTeam({ name, organizationId: options.organization ?? (await onlyOrganization(policy)) });
    console.log(`Created ${team!.id}.`);
  });
  addOrganizationOption(teams.command("list").description("list teams, by name")).action(async (options: OrganizationOption) => {
    const policy = await policyOf(options);
    const found = await everyPage((page) => policy.listTeams({ ...page, organizationId: options.organization ?? "" }), (page) => page.teams);
    print(["ID", "NAME", "ORGANIZATION", "CREATED", "STATE"], found.map(({ id, name, organizationId, createTime, suspendTime }) => [id, name, organizationId, shownDay(createTime!), stateOf(suspendTime)]));
  });
  addRunningWeirOptions(teams.command("rename <id> <name>").description("give a team another name")).action(async (teamId: string, name: string, options: RunningWeirOptions) => {
    await (await policyOf(options)).updateTeam({ teamId, name, updateMask: { paths: ["name"] } });
    console.log(`Renamed ${teamId}.`);
  });
  addSuspension(teams, "refuse a team's keys, at once", async (teamId, suspended, options) => {
    await (await policyOf(options)).updateTeam({ teamId, suspended, updateMask: { paths: ["suspended"] } });
  });
}

export function addMembersCommand(program: Command, environment: Environment): void {
  const policyOf = (options: RunningWeirOptions): Promise<Policy> => connect(PolicyService, options, environment);
  const members = program.command("members").description("add, list and remove the people of an organization, and change their roles");
  const addRoleOption = (command: Command): Command => command.requiredOption("--role <role>", `one of ${roleNames}`);
  addRoleOption(addOrganizationOption(members.command("add <email>").description("add a member"))).action(async (email: string, options: OrganizationOption & RoleOption) => {
    const policy = await policyOf(options);
    const { member } = await policy.createMember({ email, role: roleNamed(options.role), organizationId: options.organization ?? (await onlyOrganization(policy)) });
    console.log(`Added ${member!.id}.`);
  });
  addOrganizationOption(members.command("list").description("list members, by address")).action(async (options: OrganizationOption) => {
    const policy = await policyOf(options);
    const found = await everyPage((page) => policy.listMembers({ ...page, organizationId: options.organization ?? "" }), (page) => page.members);
    print(["ID", "EMAIL", "ROLE", "ORGANIZATION", "SINCE"], found.map(({ id, email, role, organizationId, createTime }) => [id, email, nameOfRole(role), organizationId, shownDay(createTime!)]));
  });
  addRoleOption(addRunningWeirOptions(members.command("update <id>").description("give a member another role"))).action(async (memberId: string, options: RoleOption) => {
    const { member } = await (await policyOf(options)).updateMember({ memberId, role: roleNamed(options.role) });
    console.log(`${member!.email} is ${nameOfRole(member!.role)} now.`);
  });
  addRunningWeirOptions(members.command("remove <id>"))
    .description("take a member out, and revoke the member's keys")
    .action(async (memberId: string, options: RunningWeirOptions) => {
      await (await policyOf(options)).deleteMember({ memberId });
      console.log(`Removed ${memberId}.`);
    });
}

function addOrganizationOption(command: Command): Command {
  return addRunningWeirOptions(command).option("--organization <id>", "the organization (to be named where the key reaches several)");
}

function addSuspension(command: Command, effect: string, suspend: (id: string, suspended: boolean, options: RunningWeirOptions) => Promise<void>): void {
  for (const [verb, suspended, description] of [["suspend", true, effect], ["resume", false, "undo `suspend`"]] as const) {
    addRunningWeirOptions(command.command(`${verb} <id>`))
      .description(description)
      .action(async (id: string, options: RunningWeirOptions) => {
        await suspend(id, suspended, options);
        console.log(`${suspended ? "Suspended" : "Resumed"} ${id}.`);
      });
  }
}

function print(heads: readonly string[], rows: readonly (readonly string[])[]): void {
  console.log(table([heads, ...rows]).join("\n"));
}

function stateOf(suspendTime: Timestamp | undefined): string {
  return suspendTime === undefined ? "active" : "suspended";
}

function shownDay(time: Timestamp): string {
  return timestampDate(time).toISOString().slice(0, 10);
}

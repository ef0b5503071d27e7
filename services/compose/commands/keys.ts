/** Owns `weir keys`: creating, listing and revoking keys of a running Weir. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { Command } from "commander";
import { KeyRole, PolicyService, type Key } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../running-weir.ts";
import { table } from "../table.ts";

interface CreateOptions extends RunningWeirOptions {
  readonly team?: string;
  readonly admin?: true;
  readonly allow: readonly string[];
  readonly label: readonly string[];
}

export function addKeysCommand(program: Command, environment: Environment): void {
  const keys = program.command("keys").description("create, list and revoke keys");
  addRunningWeirOptions(keys.command("create <name>"))
    .description("create a key and print its secret, which is shown this once")
    .option("--team <id>", "the team it belongs to (default: the team `default`)")
    .option("--admin", "lets the key administer Weir")
    .option("--allow <model>", "a route, `provider/model` or `provider/*` it may use; repeat for more (default: all)", collect, [])
    .option("--label <name=value>", "a label that its calls carry; repeat for more", collect, [])
    .action(async (name: string, options: CreateOptions) => createKey(name, options, await connect(PolicyService, options, environment)));
  addRunningWeirOptions(keys.command("list"))
    .description("list keys, newest first")
    .action(async (options: RunningWeirOptions) => listKeys(await connect(PolicyService, options, environment)));
  addRunningWeirOptions(keys.command("revoke <id>"))
    .description("revoke a key, at once")
    .action(async (keyId: string, options: RunningWeirOptions) => {
      const policy = await connect(PolicyService, options, environment);
      const { key } = await policy.revokeKey({ keyId });
      console.log(`Revoked ${key!.id} (${key!.name}).`);
    });
}

function collect(value: string, former: readonly string[]): readonly string[] {
  return [...former, value];
}

async function createKey(name: string, { team, admin, allow, label }: CreateOptions, policy: Client<typeof PolicyService>): Promise<void> {
  const teamId = team ?? (await defaultTeam(policy));
  const role = admin === true ? KeyRole.ADMIN : KeyRole.INFERENCE;
  const { key, secret } = await policy.createKey({ teamId, name, role, allowedModels: [...allow], labels: Object.fromEntries(label.map(readLabel)) });
  console.log(`Created ${key!.id}. Its secret, shown this once:\n\n${secret}\n`);
}

async function defaultTeam(policy: Client<typeof PolicyService>): Promise<string> {
  const { teams } = await policy.listTeams({ pageSize: 1_000 });
  const team = teams.find(({ name }) => name === "default");
  if (team === undefined) throw new GatewayError("NOT_FOUND", "There is no team called `default`; name one with --team.");
  return team.id;
}

function readLabel(text: string): [name: string, value: string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new GatewayError("INVALID_REQUEST", `--label ${text}: write name=value.`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

async function listKeys(policy: Client<typeof PolicyService>): Promise<void> {
  const rows: string[][] = [["ID", "NAME", "SECRET", "ROLE", "MODELS", "CREATED", "STATE"]];
  for (let pageToken = ""; ; ) {
    const page = await policy.listKeys({ pageSize: 1_000, pageToken });
    rows.push(...page.keys.map(describeKey));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  console.log(table(rows).join("\n"));
}

function describeKey(key: Key): string[] {
  return [
    key.id,
    key.name,
    `${key.secretPrefix}…`,
    key.role === KeyRole.ADMIN ? "admin" : "inference",
    key.allowedModels.join(",") || "all",
    timestampDate(key.createTime!).toISOString().slice(0, 16).replace("T", " "),
    key.revokeTime === undefined ? "valid" : "revoked",
  ];
}

/** Owns `weir keys`: creating, listing, changing, rotating and revoking keys of a running Weir. */
import { durationFromMs, timestampDate, timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { Option, type Command } from "commander";
import { Consistency, type Key } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import type { Scope, ScopeSchema } from "#gen/weir/policy/v1/scope_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { minuteText } from "../terminal/moment.ts";
import { nameOfRole, roleNamed, roleNames } from "../terminal/roles.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";
import { readSpanMs } from "../terminal/time-span.ts";

/** What a key may be used for, as options say it; each is undefined when it was not given. */
interface BoundOptions {
  readonly allow?: readonly string[];
  readonly provider?: readonly string[];
  readonly operation?: readonly string[];
  readonly from?: readonly string[];
  readonly origin?: readonly string[];
  readonly label?: readonly string[];
  readonly expires?: string;
  readonly consistency?: ConsistencyName;
}

const consistencies = { strict: Consistency.STRICT, stale_ok: Consistency.STALE_OK } as const;
type ConsistencyName = keyof typeof consistencies;

interface CreateOptions extends RunningWeirOptions, BoundOptions {
  readonly team?: string;
  readonly role?: string;
  readonly member?: string;
}

interface UpdateOptions extends RunningWeirOptions, BoundOptions {
  readonly name?: string;
  readonly unbound?: true;
}

interface RotateOptions extends RunningWeirOptions {
  readonly overlap: string;
}

export function addKeysCommand(program: Command, environment: Environment): void {
  const keys = program.command("keys").description("create, list, change, rotate and revoke keys");
  addBoundOptions(addRunningWeirOptions(keys.command("create <name>")))
    .description("create a key and print its secret, this once; what is left out bounds nothing")
    .option("--team <id>", "the team it belongs to (default: the team `default`)")
    .option("--role <role>", `what it may do: ${roleNames} (default: inference)`)
    .option("--member <id>", "the member whose key it is; it has the member's role")
    .action(async (name: string, options: CreateOptions) => createKey(name, options, await connect(PolicyService, options, environment)));
  addRunningWeirOptions(keys.command("list"))
    .description("list keys, newest first")
    .action(async (options: RunningWeirOptions) => listKeys(await connect(PolicyService, options, environment)));
  addBoundOptions(addRunningWeirOptions(keys.command("update <id>")))
    .description("change a key: all bounds given take the place of all bounds it had, as do labels; what is left out altogether stays")
    .option("--name <name>", "its new name")
    .option("--unbound", "take all bounds but the end away")
    .action(async (keyId: string, options: UpdateOptions) => updateKey(keyId, options, await connect(PolicyService, options, environment)));
  addRunningWeirOptions(keys.command("rotate <id>"))
    .description("give a key a new secret and print it, this once")
    .option("--overlap <span>", "how long the secret before it stays valid; 0s ends it at once", "24h")
    .action(async (keyId: string, options: RotateOptions) => rotateKey(keyId, options, await connect(PolicyService, options, environment)));
  addRunningWeirOptions(keys.command("revoke <id>"))
    .description("revoke a key, at once")
    .action(async (keyId: string, options: RunningWeirOptions) => {
      const policy = await connect(PolicyService, options, environment);
      const { key } = await policy.revokeKey({ keyId });
      console.log(`Revoked ${key!.id} (${key!.name}).`);
    });
}

function addBoundOptions(command: Command): Command {
  return command
    .option("--allow <model>", "a route, `provider/model` or `provider/*` that it may call; repeat for more", collect)
    .option("--provider <name>", "a provider that its calls may reach; repeat for more", collect)
    .option("--operation <name>", "an operation it may call, such as Generate or Embed; repeat for more", collect)
    .option("--from <range>", "IP addresses it may be used from, such as 192.0.2.0/24; repeat for more", collect)
    .option("--origin <origin>", "web pages it may be used from, such as https://app.example.com; repeat for more", collect)
    .option("--label <name=value>", "a label that its calls carry; repeat for more", collect)
    .option("--expires <span>", "end the key after this time, such as 90d; `never` takes its end away")
    .addOption(new Option("--consistency <kind>", "while policy is out of reach, refuse its calls or go on by what is known (default: stale_ok)").choices(Object.keys(consistencies)));
}

function collect(value: string, former: readonly string[] = []): readonly string[] {
  return [...former, value];
}

async function createKey(name: string, options: CreateOptions, policy: Client<typeof PolicyService>): Promise<void> {
  const teamId = options.team ?? (await defaultTeam(policy));
  const role = options.role === undefined ? Role.UNSPECIFIED : roleNamed(options.role);
  const { scope, expireTime } = boundsOf(options);
  const { key, secret } = await policy.createKey({ teamId, name, role, memberId: options.member ?? "", labels: labelsOf(options), consistency: consistencyOf(options), ...(scope && { scope }), ...(expireTime && { expireTime }) });
  console.log(`Created ${key!.id}. Its secret, shown this once:\n\n${secret}\n`);
}

async function updateKey(keyId: string, options: UpdateOptions, policy: Client<typeof PolicyService>): Promise<void> {
  const { scope, expireTime } = boundsOf(options);
  const paths = [
    ...(options.name === undefined ? [] : ["name"]),
    ...(scope === undefined && options.unbound === undefined ? [] : ["scope"]),
    ...(options.label === undefined ? [] : ["labels"]),
    ...(options.expires === undefined ? [] : ["expire_time"]),
    ...(options.consistency === undefined ? [] : ["consistency"]),
  ];
  if (paths.length === 0) throw new GatewayError("INVALID_REQUEST", "Say what to change; `weir keys update --help` lists what can be.");
  const { key } = await policy.updateKey({ keyId, updateMask: { paths }, name: options.name ?? "", labels: labelsOf(options), consistency: consistencyOf(options), ...(scope && { scope }), ...(expireTime && { expireTime }) });
  console.log(`Changed ${key!.id} (${key!.name}).`);
}

async function rotateKey(keyId: string, { overlap }: RotateOptions, policy: Client<typeof PolicyService>): Promise<void> {
  const overlapMs = readSpanMs(overlap, "--overlap");
  const { key, secret } = await policy.rotateKey({ keyId, overlap: durationFromMs(overlapMs) });
  const former = overlapMs === 0 ? "is not valid any more" : `is valid until ${minuteText(key!.previousSecretExpireTime)}`;
  console.log(`Rotated ${key!.id}; the former secret ${former}. The new one, shown this once:\n\n${secret}\n`);
}

async function defaultTeam(policy: Client<typeof PolicyService>): Promise<string> {
  const { teams } = await policy.listTeams({ pageSize: 1_000 });
  const team = teams.find(({ name }) => name === "default");
  if (team === undefined) throw new GatewayError("NOT_FOUND", "There is no team called `default`; name one with --team.");
  return team.id;
}

function boundsOf({ allow, provider, operation, from, origin, expires }: BoundOptions): { readonly scope?: MessageInitShape<typeof ScopeSchema>; readonly expireTime?: Timestamp } {
  const hasScope = [allow, provider, operation, from, origin].some((values) => values !== undefined);
  return {
    ...(hasScope && { scope: { models: [...(allow ?? [])], providers: [...(provider ?? [])], operations: [...(operation ?? [])], ipRanges: [...(from ?? [])], origins: [...(origin ?? [])] } }),
    ...(expires !== undefined && expires !== "never" && { expireTime: timestampFromMs(systemClock.now() + readSpanMs(expires, "--expires")) }),
  };
}

function consistencyOf({ consistency }: BoundOptions): Consistency {
  return consistency === undefined ? Consistency.UNSPECIFIED : consistencies[consistency];
}

function labelsOf({ label = [] }: BoundOptions): Record<string, string> {
  return Object.fromEntries(label.map(readLabel));
}

function readLabel(text: string): [name: string, value: string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new GatewayError("INVALID_REQUEST", `--label ${text}: write name=value.`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

async function listKeys(policy: Client<typeof PolicyService>): Promise<void> {
  const heads = ["ID", "NAME", "SECRET", "ROLE", "MODELS", "OTHER BOUNDS", "CREATED", "LAST USED", "STATE"];
  const keys = await everyPage((page) => policy.listKeys(page), (page) => page.keys);
  console.log(table([heads, ...keys.map(describeKey)]).join("\n"));
}

function describeKey(key: Key): string[] {
  return [
    key.id,
    key.name,
    key.issuer === "" ? `${key.secretPrefix}…` : `none: ${key.subject} of ${key.issuer}`,
    nameOfRole(key.role),
    key.scope?.models.join(",") || "all",
    otherBounds(key.scope) || "none",
    minuteText(key.createTime),
    key.lastUseTime === undefined ? "never" : minuteText(key.lastUseTime),
    stateOf(key),
  ];
}

function otherBounds({ providers, operations, ipRanges, origins }: Partial<Scope> = {}): string {
  return [providers, operations, ipRanges, origins].flatMap((values = []) => values).join(",");
}

function stateOf({ revokeTime, expireTime }: Key): string {
  if (revokeTime !== undefined) return "revoked";
  if (expireTime === undefined) return "valid";
  return timestampDate(expireTime).getTime() <= systemClock.now() ? "expired" : `valid until ${minuteText(expireTime)}`;
}

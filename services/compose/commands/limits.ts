/** Owns `weir limits`: the rate limits of a running Weir. */
import { create } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { Command } from "commander";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { RateLimitRuleSchema, type RateLimit } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { dollars, readDollars } from "../terminal/nanos.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";

interface OrganizationOption extends RunningWeirOptions {
  readonly organization?: string;
}

interface CreateOptions extends OrganizationOption {
  readonly count: string;
  readonly amount: string;
  readonly window?: string;
  readonly team?: string;
  readonly key?: string;
  readonly per?: readonly string[];
  readonly where?: string;
}

type Policy = Client<typeof PolicyService>;

export function addLimitsCommand(program: Command, environment: Environment): void {
  const policyOf = (options: RunningWeirOptions): Promise<Policy> => connect(PolicyService, options, environment);
  const limits = program.command("limits").description("create, list, change and delete rate limits");
  addOrganizationOption(limits.command("create <name>").description("create a rate limit; in force within a second"))
    .requiredOption("--count <what>", "requests, input_tokens, output_tokens, tokens, spend, concurrent_requests or concurrent_streams")
    .requiredOption("--amount <number>", "how much of it; of spend in US dollars")
    .option("--window <window>", "second, minute, hour or day; concurrent_… have none")
    .option("--team <id>", "only calls of this team")
    .option("--key <id>", "only calls of this key")
    .option("--per <dimensions...>", "what has a counter of its own: team, key, member, model, route, labels.end_user (default: the organization)")
    .option("--where <condition>", "which calls are counted, in CEL (default: all)")
    .action(async (name: string, options: CreateOptions) => {
      const { organization = "", count, amount, window = "", team = "", key = "", per = [], where = "" } = options;
      const rule = create(RateLimitRuleSchema, { name, organizationId: organization, teamId: team, keyId: key, count, amount: readAmount(count, amount), window, per: [...per], where });
      const { rateLimit } = await (await policyOf(options)).createRateLimit({ rule });
      console.log(`Created ${rateLimit!.id}.`);
    });
  addOrganizationOption(limits.command("list").description("list rate limits; those of weir.yaml come first")).action(async (options: OrganizationOption) => {
    const policy = await policyOf(options);
    const found = await everyPage((page) => policy.listRateLimits({ ...page, organizationId: options.organization ?? "" }), (page) => page.rateLimits);
    console.log(table([["ID", "NAME", "AMOUNT", "FOR", "PER", "WHERE"], ...found.map(shown)]).join("\n"));
  });
  addRunningWeirOptions(limits.command("update <id> <amount>").description("change the amount; what was counted stays counted")).action(async (rateLimitId: string, amount: string, options: RunningWeirOptions) => {
    const policy = await policyOf(options);
    const limits = await everyPage((page) => policy.listRateLimits(page), (page) => page.rateLimits);
    const count = limits.find(({ id }) => id === rateLimitId)?.rule?.count ?? "";
    await policy.updateRateLimit({ rateLimitId, amount: readAmount(count, amount), updateMask: { paths: ["amount"] } });
    console.log(`Changed ${rateLimitId}.`);
  });
  addRunningWeirOptions(limits.command("delete <id>").description("delete a rate limit")).action(async (rateLimitId: string, options: RunningWeirOptions) => {
    await (await policyOf(options)).deleteRateLimit({ rateLimitId });
    console.log(`Deleted ${rateLimitId}.`);
  });
}

function addOrganizationOption(command: Command): Command {
  return addRunningWeirOptions(command).option("--organization <id>", "the organization (default: the key's own, or each where it reaches several)");
}

function shown({ id, rule }: RateLimit): string[] {
  const { name, count, amount, window, organizationId, teamId, keyId, per, where } = rule!;
  const rate = `${count === "spend" ? `${dollars(amount)} dollars` : `${amount} ${count}`}${window === "" ? "" : ` per ${window}`}`;
  return [id, name, rate, keyId || teamId || organizationId || "each organization", per.join(" "), where];
}

function readAmount(count: string, text: string): bigint {
  if (count === "spend") return readDollars(text);
  if (/^\d{1,13}$/.test(text)) return BigInt(text);
  throw new GatewayError("INVALID_REQUEST", `The amount is a whole number, and not "${text}".`);
}

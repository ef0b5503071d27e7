/** Owns the command `weir`: its subcommands, and how they end. */
import { Command, CommanderError } from "commander";
import { endWhenOutputCloses } from "./terminal/closed-output.ts";
import { describeError } from "./terminal/describe-error.ts";
import { readEnvironment, type Environment } from "./environment.ts";
import { version } from "./version.ts";

/** Each is loaded only when it is called: a container engine asks for the health every few seconds, and all services take a second to load. */
const commands: Readonly<Record<string, () => Promise<(program: Command, environment: Environment) => void>>> = {
  serve: async () => (await import("./commands/serve.ts")).addServeCommand,
  health: async () => (await import("./commands/health.ts")).addHealthCommand,
  config: async () => (await import("./commands/config.ts")).addConfigCommand,
  models: async () => (await import("./commands/models.ts")).addModelsCommand,
  organizations: async () => (await import("./commands/tenancy.ts")).addOrganizationsCommand,
  teams: async () => (await import("./commands/tenancy.ts")).addTeamsCommand,
  members: async () => (await import("./commands/tenancy.ts")).addMembersCommand,
  keys: async () => (await import("./commands/keys.ts")).addKeysCommand,
  guardrails: async () => (await import("./commands/guardrails.ts")).addGuardrailsCommand,
  limits: async () => (await import("./commands/limits.ts")).addLimitsCommand,
  policy: async () => (await import("./commands/policy.ts")).addPolicyCommand,
  budgets: async () => (await import("./commands/budgets.ts")).addBudgetsCommand,
  usage: async () => (await import("./commands/usage.ts")).addUsageCommand,
  requests: async () => (await import("./commands/requests.ts")).addRequestsCommand,
  prices: async () => (await import("./commands/prices.ts")).addPricesCommand,
  ledger: async () => (await import("./commands/ledger.ts")).addLedgerCommand,
  audit: async () => (await import("./commands/audit.ts")).addAuditCommand,
  credentials: async () => (await import("./commands/credentials.ts")).addCredentialsCommand,
  content: async () => (await import("./commands/content.ts")).addContentCommand,
  journal: async () => (await import("./commands/journal.ts")).addJournalCommand,
};

/** Runs the command; sets the exit code to 1 when it failed, and says why in one sentence. */
export async function main(words: readonly string[]): Promise<void> {
  const environment = readEnvironment();
  const program = new Command("weir").description("An AI gateway: one place through which every model call goes.").version(version).enablePositionalOptions().exitOverride();
  const [name = ""] = words;
  endWhenOutputCloses(name === "serve");
  const called = Object.hasOwn(commands, name) ? [commands[name]!] : Object.values(commands);
  for (const load of called) (await load())(program, environment);
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    process.exitCode = error instanceof CommanderError ? error.exitCode : 1;
    if (!(error instanceof CommanderError)) console.error(describeError(error));
  }
}

/** Owns `weir credentials`: storing, listing, changing, rotating and removing credentials for vendors. Secrets come from standard input alone: a command line is for all to see. */
import { text } from "node:stream/consumers";
import { durationFromMs, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { InvalidArgumentError, type Command } from "commander";
import type { Credential } from "#gen/weir/providers/v1/credential_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { minuteText } from "../terminal/moment.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";
import { readSpanMs } from "../terminal/time-span.ts";

type Providers = Client<typeof ProvidersService>;

interface Options extends RunningWeirOptions {
  readonly organization?: string;
}

export function addCredentialsCommand(program: Command, environment: Environment): void {
  const providersOf = (options: Options): Promise<Providers> => connect(ProvidersService, options, environment);
  const credentials = program.command("credentials").description("store, list, change, rotate and remove credentials for vendors");
  addOptions(credentials.command("add <provider>"), "whose it is (default: the installation's, or the organization's of the key)")
    .description("store a credential, read from standard input, for a provider that has stored_credentials")
    .option("--name <name>", "its name, for people", "unnamed")
    .option("--weight <number>", "its share of the requests, beside the others'", readWeight, 1)
    .action(async (provider: string, { name, weight, ...options }: Options & { readonly name: string; readonly weight: number }) => {
      const { credential } = await (await providersOf(options)).createCredential({ provider, name, weight, secret: await readSecret(), organizationId: options.organization ?? "" });
      console.log(`Stored ${credential!.id}.`);
    });
  addOptions(credentials.command("list"), "only those of this organization")
    .description("list stored credentials, without their secrets")
    .action(async (options: Options) => {
      const providers = await providersOf(options);
      const found = await everyPage((page) => providers.listCredentials({ ...page, organizationId: options.organization ?? "" }), (page) => page.credentials);
      console.log(table([["ID", "ORGANIZATION", "PROVIDER", "NAME", "SECRET", "FINGERPRINT", "WEIGHT", "STORED", "STATE"], ...found.map(describeCredential)]).join("\n"));
    });
  addOptions(credentials.command("rotate <id>"), mustBe)
    .description("give a credential another secret, read from standard input and used at once")
    .option("--overlap <span>", "how long the secret before it serves where the new one is refused", "24h")
    .action(async (credentialId: string, { overlap, ...options }: Options & { readonly overlap: string }) => {
      const { credential } = await (await providersOf(options)).rotateCredential({ credentialId, organizationId: options.organization ?? "", secret: await readSecret(), overlap: durationFromMs(readSpanMs(overlap, "--overlap")) });
      console.log(`Rotated ${credential!.id} (${credential!.name}).`);
    });
  addOptions(credentials.command("update <id>"), mustBe)
    .description("change a credential's name or weight, or turn it off or on")
    .option("--name <name>", "its new name")
    .option("--weight <number>", "its share of the requests", readWeight)
    .option("--off", "leave it alone from now on")
    .option("--on", "use it again")
    .action(async (id: string, options: UpdateOptions) => updateCredential(id, options, await providersOf(options)));
  addOptions(credentials.command("remove <id>"), mustBe)
    .description("remove a credential; calls that run go on")
    .action(async (credentialId: string, options: Options) => {
      await (await providersOf(options)).deleteCredential({ credentialId, organizationId: options.organization ?? "" });
      console.log(`Removed ${credentialId}.`);
    });
}

const mustBe = "the organization that it must be of";

function addOptions(command: Command, organization: string): Command {
  return addRunningWeirOptions(command).option("--organization <id>", organization);
}

interface UpdateOptions extends Options {
  readonly name?: string;
  readonly weight?: number;
  readonly off?: true;
  readonly on?: true;
}

async function updateCredential(credentialId: string, { name, weight, off, on, organization = "" }: UpdateOptions, providers: Providers): Promise<void> {
  const paths = [...(name === undefined ? [] : ["name"]), ...(weight === undefined ? [] : ["weight"]), ...((off ?? on) === undefined ? [] : ["enabled"])];
  if (paths.length === 0 || (off === true && on === true)) throw new GatewayError("INVALID_REQUEST", "Say what to change; `weir credentials update --help` lists what can be.");
  const { credential } = await providers.updateCredential({ credentialId, organizationId: organization, updateMask: { paths }, name: name ?? "", weight: weight ?? 0, enabled: on === true });
  console.log(`Changed ${credential!.id} (${credential!.name}).`);
}

async function readSecret(): Promise<string> {
  if (process.stdin.isTTY) console.error("Write the secret, then a line break and Ctrl-D:");
  const secret = (await text(process.stdin)).trim();
  if (secret !== "") return secret;
  throw new GatewayError("INVALID_REQUEST", "There is no secret on standard input. Write `weir credentials add … < file`.");
}

function readWeight(text: string): number {
  const weight = Number(text);
  if (Number.isInteger(weight) && weight >= 1 && weight <= 1_000) return weight;
  throw new InvalidArgumentError("A number from 1 to 1000.");
}

function describeCredential(credential: Credential): string[] {
  const { id, organizationId, provider, name, hint, fingerprint, weight, createTime } = credential;
  return [id, organizationId === "" ? "-" : organizationId, provider, name, hint === "" ? "…" : `…${hint}`, fingerprint, String(weight), minuteText(createTime), stateOf(credential)];
}

function stateOf({ enabled, refuseTime, formerSecretExpireTime }: Credential): string {
  if (!enabled) return "off";
  if (refuseTime !== undefined) return `refused by the vendor at ${minuteText(refuseTime)}`;
  const isRotating = formerSecretExpireTime !== undefined && timestampDate(formerSecretExpireTime).getTime() > systemClock.now();
  return isRotating ? `in use, with the former secret until ${minuteText(formerSecretExpireTime)}` : "in use";
}

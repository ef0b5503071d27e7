/**
 * Owns the containers of docker-compose.yml as processes of this machine: their own commands and environment, each with its mounts below a
 * folder of its own, and every `name:port` of the network as a port on loopback.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { freePort } from "../harness/free-port.ts";
import { mountsOf, root, type ComposeFile, type ComposeService } from "./compose-file.ts";
import { imageOf, readStages, type Image } from "./dockerfile.ts";

export interface Ended {
  readonly code: number;
  readonly output: string;
}

export interface Container {
  /** Runs a command in it, as `docker compose exec` does. */
  exec(words: readonly string[]): Promise<Ended>;
  /** Runs its health check. */
  health(): Promise<Ended>;
  /** Where its folder of this name really is. */
  folder(path: string): string;
  /** Sends the signal of `docker compose stop`, and resolves to the exit code. */
  stop(): Promise<number | null>;
  log(): string;
}

interface Ports {
  readonly public: number;
  readonly internal: number;
  readonly admin: number;
}

/** The instances for which ports are ready, by service. */
type Network = Readonly<Record<string, readonly Ports[]>>;

/** For addresses of what is no Weir service: each of the texts becomes the other, wherever it stands. */
type Replacements = readonly (readonly [text: string, by: string])[];

/** Free ports for so many instances of each service. */
export async function createNetwork(instances: Readonly<Record<string, number>>): Promise<Network> {
  const entries = Object.entries(instances).map(async ([name, count]) => [name, await Promise.all(Array.from({ length: count }, freePorts))] as const);
  return Object.fromEntries(await Promise.all(entries));
}

export class LocalContainers {
  readonly #compose: ComposeFile;
  readonly #scratch: string;
  readonly #network: Network;
  readonly #replacements: Replacements;
  readonly #children = new Set<ChildProcess>();

  constructor(compose: ComposeFile, scratch: string, network: Network, replacements: Replacements) {
    this.#compose = compose;
    this.#scratch = scratch;
    this.#network = network;
    this.#replacements = replacements;
  }

  /** Where callers reach Weir. */
  get origin(): string {
    return `http://127.0.0.1:${this.#network["routing"]![0]!.public}`;
  }

  /** Starts the service; `place` says which of its instances. */
  start(name: string, place = 0): Container {
    const { image, words, environment, folder } = this.#prepare(name, place);
    const ports = this.#network[name]![place]!;
    const [program, ...rest] = [...words, "--port", String(ports.public), "--internal-port", String(ports.internal)];
    const child = spawn(program!, rest, { cwd: this.#scratch, env: environment, stdio: ["ignore", "pipe", "pipe"] });
    this.#children.add(child);
    let log = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (log += text.toString()));
    const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    const exec = (command: readonly string[]): Promise<Ended> => run(this.#localCommand(command, folder, ports), environment);
    return {
      exec,
      health: () => exec(this.#compose.services[name]!.healthcheck!.test.slice(1)),
      folder,
      stop: () => {
        child.kill(image.stopSignal as NodeJS.Signals);
        return exited;
      },
      log: () => log,
    };
  }

  /** Runs a service that ends by itself. */
  async run(name: string): Promise<Ended> {
    const { words, environment } = this.#prepare(name, 0);
    return run(words, environment);
  }

  /** Ends what a failed test has left. */
  kill(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  #prepare(name: string, place: number): { image: Image; words: readonly string[]; environment: Record<string, string>; folder: (path: string) => string } {
    const service = this.#compose.services[name]!;
    const image = imageOf(service.build!.target, readStages());
    const base = join(this.#scratch, "containers", `${name}-${place + 1}`);
    this.#mount(service, base);
    const folder = (path: string): string => join(base, path);
    const words = this.#localCommand([...image.entrypoint, ...(service.command ?? [])], folder, this.#network[name]?.[place]);
    // Without NATS, events go to metering directly.
    const { WEIR_NATS_URL: _, ...given } = { ...image.environment, ...service.environment };
    const environment = Object.fromEntries(Object.entries(given).map(([key, value]) => [key, value.startsWith("/") ? folder(value) : this.#local(value)]));
    return { image, words, environment: { ...environment, PATH: process.env["PATH"]! }, folder };
  }

  #mount(service: ComposeService, base: string): void {
    for (const path of ["/data", "/certificates", ...(service.tmpfs ?? []).map((tmpfs) => tmpfs.split(":")[0]!)]) {
      if (!mountsOf(service).some(({ target }) => target === path)) mkdirSync(join(base, path), { recursive: true });
    }
    for (const { source, target } of mountsOf(service)) {
      const path = join(base, target);
      mkdirSync(dirname(path), { recursive: true });
      if (source.startsWith("./")) {
        writeFileSync(path, this.#local(readFileSync(join(root, source), "utf8")).replaceAll("/certificates/", `${base}/certificates/`));
      } else {
        const volume = join(this.#scratch, "volumes", source);
        mkdirSync(volume, { recursive: true, mode: 0o700 });
        symlinkSync(volume, path);
      }
    }
  }

  /** A command line of a container as one of this machine. */
  #localCommand(words: readonly string[], folder: (path: string) => string, ports: Ports | undefined): readonly string[] {
    return words.flatMap((word) => {
      if (word === "node") return [process.execPath];
      if (word === "weir") return [process.execPath, join(root, "services/compose/weir.js")];
      if (word === "--admin-port=8081") return [`--admin-port=${ports!.admin}`];
      if (word.startsWith("/weir/")) return [join(root, word.slice("/weir/".length))];
      return [word.startsWith("/") ? folder(word) : word];
    });
  }

  /** A text with the addresses of this machine. */
  #local(text: string): string {
    let local = text.replaceAll("0.0.0.0", "127.0.0.1");
    for (const [from, to] of this.#replacements) local = local.replaceAll(from, to);
    for (const [name, instances] of Object.entries(this.#network)) {
      local = local
        .replaceAll(`dns:///${name}:8090`, `ipv4:${instances.map(({ internal }) => `127.0.0.1:${internal}`).join(",")}`)
        .replaceAll(`http://${name}:8080`, `http://127.0.0.1:${instances[0]!.public}`);
    }
    return local;
  }
}

function run([program, ...words]: readonly string[], environment: Record<string, string>): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program!, words, { env: environment, timeout: 30_000 }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` }));
  });
}

async function freePorts(): Promise<Ports> {
  return { public: await freePort(), internal: await freePort(), admin: await freePort() };
}

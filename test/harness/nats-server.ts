/** Owns real NATS servers for tests: where the program comes from, and servers on free ports that can be killed and started again. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { access, chmod, constants, copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "./free-port.ts";

const run = promisify(execFile);
const cache = resolve(import.meta.dirname, "../../node_modules/.cache/weir/nats-server");
const image = "nats:2.12-alpine";
const startTimeoutMs = 20_000;

/** What starts a server: a program, or a container. */
export interface NatsProgram {
  readonly command: string;
  /** Set where it runs in Docker, which has to be told to kill it. */
  readonly isDocker: boolean;
}

/**
 * The program: `nats-server` on the PATH, or else Debian's package unpacked into the cache without installing it, or else Docker.
 * Undefined where none can be had, after saying so; with CI=true that is an error.
 */
export function findNatsServer(): Promise<NatsProgram | undefined> {
  return (found ??= find());
}

export interface NatsServer {
  /** `nats://127.0.0.1:<port>`. */
  readonly url: string;
  readonly port: number;
  /** Undefined while it does not run; where it runs in Docker, of the program that waits for it. */
  readonly pid: number | undefined;
  /** Ends the process as a power cut would, without a last word. */
  kill(): Promise<void>;
  /** Starts it again on the same port and the same files. */
  start(): Promise<void>;
  /** Changes what was added to its file, for the next start. */
  configure(configuration: string): Promise<void>;
  /** Loses its disk: all that JetStream has stored, streams and consumers included. Only while it does not run. */
  loseStorage(): Promise<void>;
  /** Stops it and removes its files. */
  stop(): Promise<void>;
}

/** A server with JetStream that listens on loopback; `configuration` adds to its file (users, permissions). */
export async function startNatsServer(program: NatsProgram, configuration = ""): Promise<NatsServer> {
  const directory = await mkdtemp(join(tmpdir(), "weir-nats-"));
  const port = await freePort();
  const file = join(directory, "nats.conf");
  const store = join(directory, "store");
  const configure = (added: string): Promise<void> => writeFile(file, `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(store)}, max_file_store: 4GB }\n${added}\n`);
  await configure(configuration);
  let child: ChildProcess | undefined;
  const container = `weir-nats-${port}`;

  const server: NatsServer = {
    url: `nats://127.0.0.1:${port}`,
    port,
    get pid() {
      return child?.pid;
    },
    async kill() {
      if (child === undefined) return;
      const exited = once(child, "exit");
      if (program.isDocker) await run("docker", ["kill", container]);
      else child.kill("SIGKILL");
      await exited;
      child = undefined;
    },
    async start() {
      if (child !== undefined) return;
      const inDocker = ["run", "--rm", "--name", container, "--network", "host", "--user", `${process.getuid?.()}:${process.getgid?.()}`, "-v", `${directory}:${directory}`, image];
      child = spawn(program.command, [...(program.isDocker ? inDocker : []), "-c", file], { stdio: ["ignore", "ignore", "pipe"] });
      await answers(child, port);
    },
    configure,
    loseStorage: () => rm(store, { recursive: true }),
    async stop() {
      await server.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

let found: Promise<NatsProgram | undefined> | undefined;

async function find(): Promise<NatsProgram | undefined> {
  const command = (await onPath()) ?? (await cached()) ?? (await fromDebian().catch(() => undefined));
  if (command !== undefined) return { command, isDocker: false };
  if (await run("docker", ["info"]).then(() => true, () => false)) return { command: "docker", isDocker: true };
  if (process.env["CI"] === "true") throw new Error("The tests of the event log need a NATS server: install nats-server.");
  console.warn("The event log through NATS NOT RUN: install nats-server.");
  return undefined;
}

async function onPath(): Promise<string | undefined> {
  // Debian keeps it among the programs for root.
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
  for (const directory of directories) {
    const file = join(directory, "nats-server");
    if (await isExecutable(file)) return file;
  }
  return undefined;
}

async function cached(): Promise<string | undefined> {
  const file = join(cache, "nats-server");
  return (await isExecutable(file)) ? file : undefined;
}

/** Needs no right that an ordinary user lacks. Many test files may do this at once: the last step is one rename. */
async function fromDebian(): Promise<string | undefined> {
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, "download-"));
  try {
    await run("apt-get", ["download", "-q", "nats-server"], { cwd: directory, timeout: 60_000 });
    const [archive] = (await readdir(directory)).filter((name) => name.endsWith(".deb"));
    await run("dpkg", ["-x", archive!, "unpacked"], { cwd: directory });
    const staged = join(directory, "nats-server");
    await copyFile(join(directory, "unpacked/usr/sbin/nats-server"), staged);
    await chmod(staged, 0o755);
    await rename(staged, join(cache, "nats-server"));
    return await cached();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(() => true, () => false);
}

/** Resolves when the server accepts connections; throws what it said when it ends instead. */
async function answers(child: ChildProcess, port: number): Promise<void> {
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  const deadline = performance.now() + startTimeoutMs;
  while (performance.now() < deadline && child.exitCode === null && child.signalCode === null) {
    if (await accepts(port)) return;
    await pause(20);
  }
  child.kill("SIGKILL");
  throw new Error(`nats-server did not start on port ${port}: ${said}`);
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "data");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

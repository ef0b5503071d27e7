/** Owns the proof that a changed configuration is seen, however it was changed, and that a faulty one changes nothing. */
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Config, ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import type { ConfigFileError } from "./config-file-error.ts";
import { watchConfigFile } from "./watch-config-file.ts";

let folder: string;
let path: string;
let stop: (() => void) | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-watch-"));
  path = join(folder, "weir.yaml");
});

afterEach(async () => {
  stop?.();
  await rm(folder, { recursive: true, force: true });
});

describe("a change is seen", () => {
  test("when the file is written in place", async () => {
    await writeFile(path, yaml(1));
    const written = Promise.withResolvers<void>();
    const events = watch(1, { settle: () => written.promise });
    await writeFile(path, yaml(2));
    written.resolve();
    expect(await events.next()).toBe(2);
  });

  test("when it was made between the first reading and the watch", async () => {
    await writeFile(path, yaml(2));
    expect(await watch(1).next()).toBe(2);
  });

  test("when an editor replaces the file by rename, again and again", async () => {
    await writeFile(path, yaml(1));
    const events = watch(1);
    for (const port of [2, 3, 4]) {
      await replace(yaml(port));
      expect(await events.next()).toBe(port);
    }
  });

  test("when Kubernetes swaps the folder behind a symbolic link", async () => {
    await publish("first", 1);
    await symlink(join("..data", "weir.yaml"), path);
    const events = watch(1);
    await publish("second", 2);
    expect(await events.next()).toBe(2);
    await rm(join(folder, "first"), { recursive: true });
    await publish("third", 3);
    expect(await events.next()).toBe(3);
  });

  test("when the file comes back after it was gone", async () => {
    await writeFile(path, yaml(1));
    const events = watch(1);
    await rm(path);
    expect(await events.next()).toBe(`${path}: cannot be read: there is no such file`);
    await replace(yaml(2));
    expect(await events.next()).toBe(2);
  });
});

test("a file that is awaited is no problem until it is there, and then as any other", async () => {
  const events = watch(1, { isAwaited: true });
  await events.looks(2);
  await replace(yaml(2));
  expect(await events.next()).toBe(2);
  await rm(path);
  expect(await events.next()).toBe(`${path}: cannot be read: there is no such file`);
});

test("a faulty file is reported once, and the next sound one is taken", async () => {
  await writeFile(path, yaml(1));
  const events = watch(1);
  await replace("listen: { port: many }\n");
  expect(await events.next()).toBe(`${path}:1: listen.port: must be a whole number, in digits alone`);
  await replace("listen: { port: more }\n");
  await events.looks(2);
  await replace(yaml(2));
  expect(await events.next()).toBe(2);
});

test("a change that changes nothing is none", async () => {
  await writeFile(path, yaml(1));
  const events = watch(1);
  await replace(`# A comment.\n${yaml(1)}`);
  await events.looks(2);
  await replace(yaml(2));
  expect(await events.next()).toBe(2);
});

test("half a file is not taken while it is being written", async () => {
  await writeFile(path, "");
  const rest = [yaml(2), yaml(3)];
  const events = watch(1, {
    settle: async () => {
      const more = rest.shift();
      if (more !== undefined) await writeFile(path, more);
    },
  });
  expect(await events.next()).toBe(3);
});

test("nothing is reported after the watch was stopped", async () => {
  await writeFile(path, yaml(2));
  const stopped = Promise.withResolvers<void>();
  const events = watch(1, {
    settle: async () => {
      stop?.();
      stopped.resolve();
    },
  });
  await stopped.promise;
  const later = watch(1);
  expect(await later.next()).toBe(2);
  expect(events.waiting).toEqual([]);
});

/** What the watch reports, in order: the port of a new configuration, or the message of a problem. */
function watch(currentPort: number, { isAwaited = false, settle = async () => {} }: { readonly isAwaited?: boolean; readonly settle?: () => Promise<void> } = {}) {
  const waiting: (number | string)[] = [];
  let looks = 0;
  let wake = (): void => {};
  const report = (event: number | string): void => {
    waiting.push(event);
    wake();
  };
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise<void>((resolve) => (wake = resolve));
  };
  stop = watchConfigFile({
    path,
    environment: {},
    schema: ConfigSchema,
    current: create(ConfigSchema, { listen: { port: currentPort } }),
    isAwaited,
    pause: async () => {
      looks++;
      wake();
      await setImmediate();
    },
    settle,
    onChange: (config: Config) => report(config.listen?.port ?? -1),
    onProblem: (error: ConfigFileError) => report(error.message),
  });
  return {
    waiting,
    next: async (): Promise<number | string> => {
      await until(() => waiting.length > 0);
      return waiting.shift()!;
    },
    /** Resolves after so many more looks; the second one from now begins after now. */
    looks: (more: number): Promise<void> => {
      const enough = looks + more;
      return until(() => looks >= enough);
    },
  };
}

async function replace(content: string): Promise<void> {
  await writeFile(`${path}.new`, content);
  await rename(`${path}.new`, path);
}

function yaml(port: number): string {
  return `listen:\n  port: ${port}\n`;
}

/** A new folder with the file in it, and `..data` switched over to it in one step. */
async function publish(name: string, port: number): Promise<void> {
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, "weir.yaml"), yaml(port));
  await symlink(name, join(folder, "..data-new"));
  await rename(join(folder, "..data-new"), join(folder, "..data"));
}

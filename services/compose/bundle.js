/** Owns where Weir in few files is, and whether it still is what the sources say: to find and read a thousand modules is two thirds of a start. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** `npm ci` fills it (scripts/bundle.js). */
export const bundleDirectory = join(root, "dist");

/** What the bundle's entry is called. */
export const entryName = "command.cjs";

const stampsName = "sources.json";

/**
 * The address of the bundle's entry; undefined where there is none, or a source was changed or moved since.
 * @returns {string | undefined}
 */
export function freshBundle() {
  try {
    const { root: madeIn, stamps } = JSON.parse(readFileSync(join(bundleDirectory, stampsName), "utf8"));
    const isFresh = madeIn === root && Object.entries(stamps).every(([name, stamp]) => stampOf(name) === stamp);
    return isFresh ? pathToFileURL(join(bundleDirectory, entryName)).href : undefined;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Notes what a bundle was made of: paths of sources, relative to the root.
 * @param {string} directory
 * @param {readonly string[]} names
 */
export function writeStamps(directory, names) {
  const stamps = Object.fromEntries(names.map((name) => [name, stampOf(name)]));
  writeFileSync(join(directory, stampsName), JSON.stringify({ root, stamps }));
}

/** In whole seconds, as layers of images keep no more. */
function stampOf(name) {
  const { size, mtimeMs } = statSync(join(root, name));
  return `${size} bytes, ${Math.floor(mtimeMs / 1000)}`;
}

/** Owns the check that gen/ is exactly what the protos generate: nothing edited, missing or left over. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const fresh = mkdtempSync(join(tmpdir(), "weir-generated-"));
try {
  execFileSync("node_modules/.bin/buf", ["generate", "--output", fresh], { stdio: ["ignore", "inherit", "inherit"] });
  const differences = compare(readTree("gen"), readTree(join(fresh, "gen")));
  if (differences.length > 0) {
    console.error(`${differences.join("\n")}\ngen/ does not match proto/. Run: npm run generate`);
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

function compare(committed: ReadonlyMap<string, string>, generated: ReadonlyMap<string, string>): string[] {
  const paths = new Set([...committed.keys(), ...generated.keys()]);
  return [...paths].toSorted().flatMap((path) => {
    if (!generated.has(path)) return [`gen/${path}: is not generated from any proto`];
    if (!committed.has(path)) return [`gen/${path}: is missing`];
    return committed.get(path) === generated.get(path) ? [] : [`gen/${path}: differs`];
  });
}

function readTree(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path, "utf8")];
    }),
  );
}

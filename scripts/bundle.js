/** Owns making Weir in few files, at `npm ci`, and for tests in a folder of theirs. Plain JavaScript, as any Node that runs npm can run it. */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { bundleDirectory, entryName, writeStamps } from "../services/compose/bundle.js";

const root = fileURLToPath(new URL("../", import.meta.url));
const directory = resolve(process.argv[2] ?? bundleDirectory);

const rolldown = await import("rolldown").catch((error) => {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
});
if (rolldown === undefined) console.log("Weir is not bundled, because rolldown is not installed (npm ci --omit=dev): it starts from its sources, which takes a second longer.");
else await bundle(rolldown);

async function bundle({ rolldown: open }) {
  const making = `${directory}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  const opened = await open({
    input: join(root, "services/compose/command.ts"),
    platform: "node",
    // What a module does when it is loaded is done here, too.
    treeshake: false,
    plugins: [
      { name: "where modules are", transform: { filter: { code: /import\.meta\.|__dirname|__filename/ }, handler: stayInPlace } },
      { name: "rules when they are asked", transform: { filter: { id: /@bufbuild\/protovalidate\/dist\/esm\/cel\.js$/ }, handler: planLater } },
    ],
    logLevel: "silent",
  });
  // Node loads its own modules for CommonJS without a copy of each: its HTTP's alone would bring a client that Weir does not use.
  const { output } = await opened.write({ dir: making, format: "cjs", entryFileNames: entryName, chunkFileNames: "[name]-[hash].cjs", comments: { legal: true, annotation: false, jsdoc: false } });
  await opened.close();
  writeStamps(making, sourcesOf(output));
  rmSync(directory, { recursive: true, force: true });
  renameSync(making, directory);
}

/** The files of the repository in it, as they are named from its root. */
function sourcesOf(output) {
  const paths = output.flatMap((chunk) => chunk.moduleIds ?? []);
  return paths.map((path) => relative(root, path)).filter((name) => /^(gen|services)\//.test(name));
}

/** Files beside a module, such as migrations and threads, are found where they are. */
function stayInPlace(code, path) {
  return code
    .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href))
    .replaceAll(/import\.meta\.dirname|\b__dirname\b/g, JSON.stringify(dirname(path)))
    .replaceAll(/\b__filename\b/g, JSON.stringify(path));
}

/** protovalidate parses all rules that there are for strings, numbers and lists as soon as it meets one; most are never asked: a sixth of a start. */
function planLater(code) {
  const eager = "interpretable: plan(this.env, parse(rule.expression)),";
  if (!code.includes(eager)) throw new Error(`@bufbuild/protovalidate no longer has the line that ${import.meta.filename} replaces: look whether it still parses each rule at once.`);
  return `${code.replace(eager, "interpretable: later(() => plan(this.env, parse(rule.expression))),")}
function later(make) { let made; return (bindings) => (made ??= make())(bindings); }
`;
}

#!/usr/bin/env node
/** Owns the first step of the command `weir`: a Node that is new enough, in words any Node can read; and the form of Weir that starts quickest. */
import { spawn } from "node:child_process";
import module from "node:module";
import { fileURLToPath } from "node:url";
import { freshBundle } from "./bundle.js";

const neededMajor = 24;

if (Number(process.versions.node.split(".")[0]) >= neededMajor) {
  // Half of a start is compiling; where this folder may not be written, every start compiles.
  module.enableCompileCache(fileURLToPath(new URL("../../node_modules/.cache/weir", import.meta.url)));
  await import(freshBundle() ?? "./command.ts");
} else {
  const nodePath = bundledNode();
  if (nodePath === undefined) {
    console.error(`Weir needs Node ${neededMajor} or newer, this is ${process.versions.node}: install it from https://nodejs.org, or run \`npm ci\` on Linux (x64 or arm64), which brings it along.`);
    process.exitCode = 1;
  } else {
    const child = spawn(nodePath, [...process.execArgv, ...process.argv.slice(1)], { stdio: "inherit" });
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
    child.on("exit", (code, signal) => {
      process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
    });
  }
}

/** The Node that the lockfile brings for this platform, where it does. */
function bundledNode() {
  try {
    return module.createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`);
  } catch {
    return undefined;
  }
}

/** Owns the names of places in the configuration, such as `providers.openai.base_url` or `routes["gpt-4.1"].targets[0]`. */
import type { Path } from "@bufbuild/protobuf/reflect";

/** The path of a field in the message at `parent`; the whole file's path is empty. */
export function fieldPath(parent: string, name: string): string {
  return parent === "" ? name : `${parent}.${name}`;
}

/** The path of a map's entry. */
export function entryPath(parent: string, key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? fieldPath(parent, key) : `${parent}[${JSON.stringify(key)}]`;
}

/** The path of a list's item. */
export function itemPath(parent: string, index: number): string {
  return `${parent}[${index}]`;
}

/** The same name for a path as protobuf has it. */
export function pathOf(path: Path): string {
  return path.reduce((parent, step) => {
    if (step.kind === "list_sub") return itemPath(parent, step.index);
    if (step.kind === "map_sub") return entryPath(parent, String(step.key));
    return fieldPath(parent, step.name);
  }, "");
}

/** True when `path` is `ancestor` or lies beneath it. */
export function isWithin(path: string, ancestor: string): boolean {
  return ancestor === "" || path === ancestor || path.startsWith(`${ancestor}.`) || path.startsWith(`${ancestor}[`);
}

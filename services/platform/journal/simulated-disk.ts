/** Owns a disk in memory that can lose power between any two operations, for tests: a seed decides what of the unsynced bytes it keeps. */
import { basename, dirname } from "node:path";
import type { Disk, DiskFile } from "./disk.ts";

/** Numbers from 0 up to 1, the same for the same seed. */
export type Random = () => number;

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const sectorBytes = 512;

interface SimulatedContent {
  /** What a reader sees. */
  current: Buffer;
  /** What is on the medium for certain. */
  durable: Buffer;
  unsynced: { readonly position: number; readonly bytes: Buffer }[];
}

interface NameChange {
  readonly directory: string;
  apply(names: Map<string, SimulatedContent>): void;
}

export class SimulatedDisk implements Disk {
  /** Resolves when the power fails. */
  readonly powerFailed: Promise<void>;
  /** Operations so far. */
  operations = 0;
  /** Called at each sync of a file; a sync fails with what it throws. */
  onSync: () => void = () => {};
  /** The most bytes that all files together ever had. */
  peakBytes = 0;
  #names: Map<string, SimulatedContent>;
  #durableNames: Map<string, SimulatedContent>;
  #unsyncedNameChanges: NameChange[] = [];
  readonly #random: Random;
  readonly #failAtOperation: number;
  readonly #signalFailure: () => void;
  #hasPower = true;

  /** Loses power in the operation of this number. */
  constructor(random: Random, failAtOperation: number, names: Map<string, SimulatedContent> = new Map()) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.powerFailed = promise;
    this.#signalFailure = resolve;
    this.#random = random;
    this.#failAtOperation = failAtOperation;
    this.#names = names;
    this.#durableNames = new Map(names);
  }

  /** Takes the power away now, if it is still there. */
  failPower(): void {
    this.#hasPower = false;
    this.#signalFailure();
  }

  get hasPower(): boolean {
    return this.#hasPower;
  }

  /** The disk as the next start finds it. */
  restart(failAtOperation: number): SimulatedDisk {
    const names = this.#durableNames;
    // A journaling file system keeps the order of its name changes: it loses some at the end.
    const kept = Math.floor(this.#random() * (this.#unsyncedNameChanges.length + 1));
    for (const change of this.#unsyncedNameChanges.slice(0, kept)) change.apply(names);
    for (const content of new Set(names.values())) this.#losePower(content);
    return new SimulatedDisk(this.#random, failAtOperation, names);
  }

  /** Changes one byte of a file for good, as a failing medium does. */
  flipByte(path: string, position: number): void {
    const content = this.#contentOf(path);
    content.current[position]! ^= 0x55;
    content.durable[position]! ^= 0x55;
  }

  /** True when some file would have this text if all were lost that can be lost. */
  isDurable(text: string): boolean {
    return [...this.#durableNames.values()].reverse().some(({ durable }) => durable.includes(text));
  }

  /** The bytes of all files together. */
  get totalBytes(): number {
    let total = 0;
    for (const { current } of this.#names.values()) total += current.length;
    return total;
  }

  async makeDirectory(): Promise<void> {}

  async list(directory: string): Promise<readonly string[]> {
    await this.#operate();
    return [...this.#names.keys()].filter((path) => dirname(path) === directory).map((path) => basename(path));
  }

  async read(path: string, start = 0, end = Infinity): Promise<Buffer> {
    await this.#operate();
    return Buffer.from(this.#contentOf(path).current.subarray(start, end));
  }

  async create(path: string, sizeBytes: number): Promise<DiskFile> {
    if (this.#names.has(path)) throw new Error(`${path} exists`);
    const content: SimulatedContent = { current: Buffer.alloc(sizeBytes), durable: Buffer.alloc(0), unsynced: [] };
    this.#changeName(dirname(path), (names) => names.set(path, content));
    this.peakBytes = Math.max(this.peakBytes, this.totalBytes);
    await this.#operate();
    content.durable = Buffer.alloc(sizeBytes);
    await this.#operate();
    await this.syncDirectory(dirname(path));
    return new SimulatedFile(content, this, () => this.#operate());
  }

  async truncate(path: string, lengthBytes: number): Promise<void> {
    await this.#operate();
    const content = this.#contentOf(path);
    content.current = content.current.subarray(0, lengthBytes);
    content.durable = content.durable.subarray(0, lengthBytes);
    await this.#operate();
  }

  async rename(from: string, to: string): Promise<void> {
    const content = this.#contentOf(from);
    this.#changeName(dirname(from), (names) => names.delete(from) && names.set(to, content));
    await this.#operate();
  }

  async remove(path: string): Promise<void> {
    this.#contentOf(path);
    this.#changeName(dirname(path), (names) => names.delete(path));
    await this.#operate();
  }

  async syncDirectory(directory: string): Promise<void> {
    const changes = this.#unsyncedNameChanges.filter((change) => change.directory === directory);
    await this.#operate();
    for (const change of changes) change.apply(this.#durableNames);
    this.#unsyncedNameChanges = this.#unsyncedNameChanges.filter((change) => !changes.includes(change));
  }

  #changeName(directory: string, apply: (names: Map<string, SimulatedContent>) => void): void {
    if (!this.#hasPower) return;
    apply(this.#names);
    this.#unsyncedNameChanges.push({ directory, apply });
  }

  #contentOf(path: string): SimulatedContent {
    const content = this.#names.get(path);
    if (content === undefined) throw new Error(`${path} does not exist`);
    return content;
  }

  /** Takes a while; never ends once the power has failed. */
  async #operate(): Promise<void> {
    this.operations++;
    if (this.operations === this.#failAtOperation) this.failPower();
    if (!this.#hasPower) await new Promise<never>(() => {});
    if (this.#random() < 0.5) await new Promise(setImmediate);
    if (!this.#hasPower) await new Promise<never>(() => {});
  }

  /** Keeps any set of the unsynced sectors, the last of them perhaps in part. */
  #losePower(content: SimulatedContent): void {
    const keptShare = [0, 0.5, 0.9, 1][Math.floor(this.#random() * 4)]!;
    for (const { position, bytes } of content.unsynced) {
      for (let start = 0; start < bytes.length; ) {
        const end = Math.min(bytes.length, start + sectorBytes - ((position + start) % sectorBytes));
        if (this.#random() < keptShare) {
          const tornEnd = this.#random() < 0.1 ? start + Math.floor(this.#random() * (end - start)) : end;
          bytes.copy(content.durable, position + start, start, tornEnd);
        }
        start = end;
      }
    }
    content.unsynced = [];
    content.current = Buffer.from(content.durable);
  }
}

class SimulatedFile implements DiskFile {
  readonly #content: SimulatedContent;
  readonly #disk: SimulatedDisk;
  readonly #operate: () => Promise<void>;

  constructor(content: SimulatedContent, disk: SimulatedDisk, operate: () => Promise<void>) {
    this.#content = content;
    this.#disk = disk;
    this.#operate = operate;
  }

  write(bytes: Uint8Array, position: number): void {
    if (!this.#disk.hasPower) return;
    if (position + bytes.length > this.#content.current.length) throw new Error("a write beyond the file's size");
    const copy = Buffer.from(bytes);
    copy.copy(this.#content.current, position);
    this.#content.unsynced.push({ position, bytes: copy });
  }

  async sync(): Promise<void> {
    const synced = this.#content.unsynced.slice();
    await this.#operate();
    this.#disk.onSync();
    for (const { position, bytes } of synced) bytes.copy(this.#content.durable, position);
    this.#content.unsynced = this.#content.unsynced.slice(synced.length);
  }

  async close(): Promise<void> {
    await this.#operate();
  }
}

/** Owns the fetching of media that callers name by address, for vendors that take bytes alone: within the operator's bounds, over all requests. */
import type { Media } from "#gen/weir/inference/v1/content_pb.ts";
import { fetchFile, type FetchedFile, type Internet } from "#platform/egress/fetch-file.ts";
import { FileRefused, readFileUrl, type FileUrlRules } from "#platform/egress/file-url.ts";
import { GatewayError } from "#platform/errors.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import { mediaTypeOf } from "../domain/media/media-type.ts";
import { mediaFrom, type RemoteMedia } from "../domain/media/remote-media.ts";

/** What operators allow to be fetched. */
export interface FetchBounds extends FileUrlRules {
  readonly maximumFileBytes: number;
  /** Of all files of one request. */
  readonly maximumRequestBytes: number;
  readonly maximumFiles: number;
  /** Of all files that this process holds at once. */
  readonly maximumHeldBytes: number;
  /** For all files of one request. */
  readonly timeoutMs: number;
}

/** What was fetched for one request. */
export interface FetchedMedia {
  /** By the media with the address. */
  readonly bytesOf: ReadonlyMap<Media, Media>;
  /** To be called once the bytes are let go. */
  release(): void;
}

export class MediaFetcher {
  readonly #bounds: LiveValue<FetchBounds | undefined>;
  readonly #logger: Logger;
  readonly #internet: Internet | undefined;
  #heldBytes = 0;

  /** `bounds` are undefined while nothing is fetched; `internet` is another than the public one in tests. */
  constructor(bounds: LiveValue<FetchBounds | undefined>, logger: Logger, internet?: Internet) {
    this.#bounds = bounds;
    this.#logger = logger;
    this.#internet = internet;
  }

  get isOn(): boolean {
    return this.#bounds.current !== undefined;
  }

  /** All or nothing. Throws UNSUPPORTED_FIELD for what is not to be had, OVERLOADED when too much is held already, or the signal's reason. */
  async fetch(remote: readonly RemoteMedia[], signal: AbortSignal): Promise<FetchedMedia> {
    const bounds = this.#bounds.current!;
    const fetching = new RequestFetch(bounds, signal, (bytes) => this.#hold(bytes, bounds), this.#internet);
    const release = (): void => void (this.#heldBytes -= fetching.takeHeldBytes());
    try {
      return { bytesOf: await fetching.fetchAll(remote), release };
    } catch (error) {
      release();
      if (error instanceof GatewayError && error.cause instanceof FileRefused && error.cause.cause !== undefined) {
        this.#logger.info({ field: error.metadata["field"], error: error.cause.cause }, "a file that a caller named could not be fetched");
      }
      throw error;
    }
  }

  #hold(bytes: number, { maximumHeldBytes }: FetchBounds): void {
    if (this.#heldBytes + bytes > maximumHeldBytes) {
      throw new GatewayError("OVERLOADED", "Weir holds as many bytes of fetched files as it may (fetch_urls.max_held_bytes in weir.yaml); try again, or send the bytes.", { retryAfterMs: 1_000 });
    }
    this.#heldBytes += bytes;
  }
}

/** The fetches of one request. */
class RequestFetch {
  readonly #bounds: FetchBounds;
  readonly #signal: AbortSignal;
  readonly #hold: (bytes: number) => void;
  readonly #internet: Internet | undefined;
  /** Ends what is under way when one file is not to be had. */
  readonly #failed = new AbortController();
  #heldBytes = 0;

  constructor(bounds: FetchBounds, signal: AbortSignal, hold: (bytes: number) => void, internet: Internet | undefined) {
    this.#bounds = bounds;
    this.#signal = AbortSignal.any([signal, this.#failed.signal, AbortSignal.timeout(bounds.timeoutMs)]);
    this.#hold = hold;
    this.#internet = internet;
  }

  async fetchAll(remote: readonly RemoteMedia[]): Promise<ReadonlyMap<Media, Media>> {
    const byUrl = Map.groupBy(remote, ({ url }) => url);
    if (byUrl.size > this.#bounds.maximumFiles) throw notToBeHad(remote.at(-1)!, new FileRefused(`the request names ${byUrl.size} files, more than the ${this.#bounds.maximumFiles} that fetch_urls.max_files of weir.yaml allows.`));
    const fetched = await Promise.allSettled([...byUrl.values()].map((places) => this.#fetchOne(places)));
    // The first failure in time: it ended the others.
    if (this.#failed.signal.aborted) throw this.#failed.signal.reason;
    return new Map(fetched.flatMap((result) => (result.status === "fulfilled" ? result.value : [])));
  }

  /** How many bytes were held; from now on, none are. */
  takeHeldBytes(): number {
    const held = this.#heldBytes;
    this.#heldBytes = 0;
    return held;
  }

  /** One file, for all its places. */
  async #fetchOne(places: readonly RemoteMedia[]): Promise<(readonly [Media, Media])[]> {
    const [first] = places;
    try {
      const file = await fetchFile(readFileUrl(first!.url, this.#bounds), {
        maximumBytes: this.#bounds.maximumFileBytes,
        reserve: (bytes) => this.#reserve(bytes),
        signal: this.#signal,
        ...(this.#internet === undefined ? {} : { internet: this.#internet }),
      });
      return places.map((place) => [place.media, mediaFrom(file.bytes, requireType(file, place))]);
    } catch (error) {
      this.#failed.abort(this.#explain(error, first!));
      throw error;
    }
  }

  #reserve(bytes: number): void {
    if (this.#heldBytes + bytes > this.#bounds.maximumRequestBytes) throw new FileRefused(`the files of the request are larger than ${this.#bounds.maximumRequestBytes} bytes together.`);
    this.#hold(bytes);
    this.#heldBytes += bytes;
  }

  #explain(error: unknown, place: RemoteMedia): unknown {
    if (error instanceof DOMException && error.name === "TimeoutError") return notToBeHad(place, new FileRefused(`it was not here within ${this.#bounds.timeoutMs} ms.`));
    return error instanceof FileRefused ? notToBeHad(place, error) : error;
  }
}

function requireType({ bytes, mediaType }: FetchedFile, { kind, media }: RemoteMedia): string {
  const found = mediaTypeOf(bytes, kind, [media.mediaType, mediaType]);
  if (found === undefined) throw new FileRefused(`what stands there is not ${nouns[kind]} of a known type.`);
  return found;
}

const nouns = { image: "a picture", audio: "a sound", file: "a document" };

function notToBeHad({ path }: RemoteMedia, cause: FileRefused): GatewayError {
  return new GatewayError("UNSUPPORTED_FIELD", `${path} could not be fetched for a vendor that takes it as bytes alone: ${cause.message}`, { metadata: { field: path }, cause });
}

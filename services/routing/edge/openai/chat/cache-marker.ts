/** Owns how callers of this dialect ask for prompt caching: OpenAI's `prompt_cache_breakpoint`, or `cache_control` as gateways take it for other vendors. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { CacheMarker_Lifetime, type CacheMarkerSchema } from "#gen/weir/inference/v1/content_pb.ts";
import type { ObjectReader } from "../object-reader.ts";

/** The marker on a part or a tool. A lifetime that types do not know counts as unread. */
export function readCacheMarker(owner: ObjectReader): MessageInitShape<typeof CacheMarkerSchema> | undefined {
  const marker = owner.optionalObject("cache_control") ?? owner.optionalObject("prompt_cache_breakpoint");
  if (marker === undefined) return undefined;
  marker.raw("type");
  marker.raw("mode");
  return { lifetime: readLifetime(marker) };
}

function readLifetime(marker: ObjectReader): CacheMarker_Lifetime {
  switch (marker.optionalText("ttl")) {
    case undefined:
      return CacheMarker_Lifetime.UNSPECIFIED;
    case "5m":
      return CacheMarker_Lifetime.FIVE_MINUTES;
    case "1h":
      return CacheMarker_Lifetime.ONE_HOUR;
    default:
      marker.leaveUnread("ttl");
      return CacheMarker_Lifetime.UNSPECIFIED;
  }
}

/** Owns the time that pages are drawn for: it goes on by itself, minute by minute. */
import { useEffect, useState } from "react";

const minuteMs = 60_000;

export function useNow(): number {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    const ticking = setInterval(() => setNowMs(Date.now()), minuteMs);
    return () => clearInterval(ticking);
  }, []);
  return nowMs;
}

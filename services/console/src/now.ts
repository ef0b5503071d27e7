/** Owns the time that pages are drawn for: it goes on by itself, minute by minute, while someone is there. */
import { focusManager } from "@tanstack/react-query";
import { useEffect, useState } from "react";

const minuteMs = 60_000;

export function useNow(): number {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    // What is asked for at another time is asked anew.
    const tick = (): void => {
      if (focusManager.isFocused()) setNowMs(Date.now());
    };
    const ticking = setInterval(tick, minuteMs);
    const stopFollowing = focusManager.subscribe(tick);
    return () => {
      clearInterval(ticking);
      stopFollowing();
    };
  }, []);
  return nowMs;
}

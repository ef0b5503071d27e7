/** Owns charts of sums over time: bars for each hour or day, drawn by uPlot. */
import { useEffect, useRef, useSyncExternalStore, type ReactNode } from "react";
import UPlot from "uplot";

export interface Series {
  readonly title: string;
  /** A custom property of the style sheet: `--accent`. */
  readonly color: string;
  readonly values: readonly number[];
}

interface TimeChartProps {
  /** What is seen, for who cannot see it. */
  readonly summary: string;
  /** When each value's hour or day began. */
  readonly startsMs: readonly number[];
  /** The later ones are drawn over the former ones. */
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
}

const heightPixels = 180;
const maximumBarPixels = 24;
const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");

export function TimeChart(chart: TimeChartProps): ReactNode {
  const isDark = useSyncExternalStore(watchScheme, () => darkScheme.matches);
  // What is drawn keeps its colours: in others it is drawn anew.
  return <Drawing key={String(isDark)} {...chart} />;
}

function Drawing({ summary, startsMs, series, format }: TimeChartProps): ReactNode {
  const place = useRef<HTMLElement>(null);
  useEffect(() => {
    const element = place.current!;
    const chart = new UPlot(optionsOf(element, startsMs, series, format), [startsMs.map((ms) => ms / 1_000), ...series.map(({ values }) => [...values])], element);
    const resizing = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: heightPixels }));
    resizing.observe(element);
    return () => {
      resizing.disconnect();
      chart.destroy();
    };
  }, [startsMs, series, format]);
  return <figure className="chart" ref={place} aria-label={summary} />;
}

function optionsOf(element: HTMLElement, startsMs: readonly number[], series: readonly Series[], format: (value: number) => string): UPlot.Options {
  const styles = getComputedStyle(element);
  const color = (name: string): string => styles.getPropertyValue(name);
  const axis = { stroke: color("--muted"), font: `11px ${styles.fontFamily}`, ticks: { show: false }, grid: { stroke: color("--line"), width: 1 } };
  const bars = UPlot.paths.bars!({ size: [0.8, maximumBarPixels], radius: 0.1 });
  const step = ((startsMs[1] ?? 0) - (startsMs[0] ?? 0)) / 1_000;
  const isDaily = step >= 86_400;
  return {
    width: element.clientWidth,
    height: heightPixels,
    padding: [4, 12, 0, 0],
    tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC"),
    cursor: { y: false, drag: { setScale: false } },
    // Bars stand around their moment: half of one on either side.
    scales: { x: { range: (_chart, least, most) => [least - step / 2, most + step / 2] }, y: { range: (_chart, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
    axes: [
      { ...axis, size: 28, grid: { show: false }, values: (_chart, splits, _index, _space, between) => splits.map((seconds) => momentAt(seconds, isDaily || between >= 86_400)) },
      { ...axis, size: 64, values: (_chart, splits) => splits.map(format) },
    ],
    series: [
      { label: "UTC", value: (_chart, seconds) => (seconds === null ? "" : new Date(seconds * 1_000).toISOString().slice(0, isDaily ? 10 : 16).replace("T", " ")) },
      ...series.map(({ title, color: name }) => ({ label: title, fill: color(name), width: 0, paths: bars, points: { show: false }, value: (_chart: UPlot, value: number | null) => (value === null ? "–" : format(value)) })),
    ],
  };
}

/** `11-21`, or `15:00`, by which a midnight is told as its day. */
function momentAt(seconds: number, isDay: boolean): string {
  const text = new Date(seconds * 1_000).toISOString();
  return isDay || text.slice(11, 16) === "00:00" ? text.slice(5, 10) : text.slice(11, 16);
}

function watchScheme(notify: () => void): () => void {
  darkScheme.addEventListener("change", notify);
  return () => darkScheme.removeEventListener("change", notify);
}

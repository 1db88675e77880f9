// From a layer's style (layers/symbology through dashboards/maps.py) to MapLibre expressions over the feature state "v".
import type { ExpressionSpecification } from "maplibre-gl";
import type { LayerSpec, LayerStyle } from "./types";

const VALUE: ExpressionSpecification = ["coalesce", ["feature-state", "v"], -9999];

export function dark(): boolean {
  return document.documentElement.dataset["theme"] === "dark";
}

// The colour of what has no value, quiet in both themes.
export function missingOf(style: Extract<LayerStyle, { missing: string }>): string {
  return (dark() && style.missing_dark) || style.missing;
}

export function colourOf(style: LayerStyle): string | ExpressionSpecification {
  if (style.kind === "plain") return (dark() && style.colour_dark) || style.colour;
  if (style.kind === "classes") {
    const missing = missingOf(style);
    if (style.classes.length === 0) return missing;
    const pairs = style.classes.flatMap((c) => [c.code, (dark() && c.colour_dark) || c.colour]);
    return ["match", VALUE, ...pairs, missing] as unknown as ExpressionSpecification;
  }
  const stops = style.stops.flatMap((s) => [s.value, s.colour]);
  const ramp = ["interpolate", ["linear"], VALUE, ...stops];
  return ["case", ["==", VALUE, -9999], missingOf(style), ramp] as unknown as ExpressionSpecification;
}

// Pixels of a line of rank 0 at a zoom; the rank of a feature (road class) makes it wider by 45 % a step.
const STEPS = [[9, 0.35], [12, 0.8], [15, 1.9], [18, 5]] as const;

export function widthAt(spec: LayerSpec, zoom: number): number {
  const above = STEPS.findIndex(([z]) => zoom < z);
  const k = above < 0 ? STEPS.length - 1 : Math.max(1, above);
  const [from, low] = STEPS[k - 1]!;
  const [to, high] = STEPS[k]!;
  const t = Math.max(0, Math.min(1, (1.5 ** (zoom - from) - 1) / (1.5 ** (to - from) - 1)));
  return spec.width * (low + (high - low) * t);
}

export type Rgba = readonly [number, number, number, number];

export function rgba(colour: string): Rgba {
  const hex = colour.length < 6 ? [...colour.slice(1)].map((c) => c + c).join("") : colour.slice(1);
  return [0, 2, 4, 6].map((k) => (hex.length > k ? parseInt(hex.slice(k, k + 2), 16) : 255)) as unknown as Rgba;
}

// From a value to its colour, as `colourOf` would paint it.
export function colourer(style: LayerStyle): (value: number | null) => Rgba {
  if (style.kind === "plain") {
    const only = rgba((dark() && style.colour_dark) || style.colour);
    return () => only;
  }
  const missing = rgba(missingOf(style));
  if (style.kind === "classes") {
    const known = new Map(style.classes.map((c) => [c.code, rgba((dark() && c.colour_dark) || c.colour)]));
    return (value) => (value === null ? missing : (known.get(value) ?? missing));
  }
  const stops = style.stops.map((s) => [s.value, rgba(s.colour)] as const);
  return (value) => {
    if (value === null) return missing;
    const k = stops.findIndex(([at]) => value < at);
    if (k === 0 || stops.length === 1) return stops[0]![1];
    if (k < 0) return stops[stops.length - 1]![1];
    const [low, a] = stops[k - 1]!;
    const [high, b] = stops[k]!;
    const t = (value - low) / (high - low);
    return [0, 1, 2, 3].map((c) => Math.round(a[c]! + (b[c]! - a[c]!) * t)) as unknown as Rgba;
  };
}

export function labelOf(style: LayerStyle, value: number | null, missing: string): string {
  if (style.kind === "plain") return "";
  if (value === null) return missing;
  if (style.kind === "classes") return style.classes.find((c) => c.code === value)?.label ?? missing;
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toLocaleString(undefined, { maximumFractionDigits: digits })} ${style.unit}`.trim();
}

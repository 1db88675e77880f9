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

// A step rises with zoom; the rank of a feature (road class) makes it wider.
export function widthOf(spec: LayerSpec): ExpressionSpecification {
  const factor: ExpressionSpecification = ["+", spec.width, ["*", 0.45 * spec.width, ["get", "r"]]];
  return [
    "interpolate", ["exponential", 1.5], ["zoom"],
    9, ["*", 0.35, factor], 12, ["*", 0.8, factor], 15, ["*", 1.9, factor], 18, ["*", 5, factor],
  ] as unknown as ExpressionSpecification;
}

export function labelOf(style: LayerStyle, value: number | null, missing: string): string {
  if (style.kind === "plain") return "";
  if (value === null) return missing;
  if (style.kind === "classes") return style.classes.find((c) => c.code === value)?.label ?? missing;
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toLocaleString(undefined, { maximumFractionDigits: digits })} ${style.unit}`.trim();
}

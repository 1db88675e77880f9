// How areas, points, images, names and the ground look to MapLibre. Lines are drawn by ourselves (lines.ts).
import * as maplibregl from "maplibre-gl";
import type { FilterSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";
import { PMTiles, Protocol } from "pmtiles";
import { colourOf, dark } from "./paint";
import type { BaseMap, LayerSpec } from "./types";

export const LABELS_FROM = 14; // zoom from which streets are named
const PLACES_FROM = 11; // zoom from which places are named
const SMALL = 4; // points below this width have a thin rim
const NONE: FilterSpecification = ["==", ["id"], -1];

export type Visibility = "visible" | "none";

export function ground(): string {
  return dark() ? "#0f1a24" : "#eef1f4";
}

export function baseStyle(base: BaseMap | undefined): StyleSpecification | string {
  const style: StyleSpecification = {
    version: 8,
    sources: {},
    layers: [{ id: "background", type: "background", paint: { "background-color": ground() } }],
  };
  if (!base || base.kind === "none" || !base.url) return style;
  if (base.kind === "style") return base.url;
  const common = { type: "raster" as const, tileSize: base.tile_size ?? 256, attribution: base.attribution ?? "" };
  if (base.kind === "pmtiles") {
    const protocol = new Protocol();
    const url = new URL(base.url, location.href).href;
    protocol.add(new PMTiles(url));
    maplibregl.addProtocol("pmtiles", protocol.tile);
    style.sources["base"] = { ...common, url: `pmtiles://${url}` };
  } else {
    style.sources["base"] = { ...common, tiles: [base.url] };
  }
  style.layers.push({ id: "base", type: "raster", source: "base", paint: { "raster-opacity": 0.85 } });
  return style;
}

// The layers of a polygon or point layer, without its names.
export function placeLayers(spec: LayerSpec, visibility: Visibility): LayerSpecification[] {
  const { id } = spec;
  const colour = colourOf(spec.style);
  const common = { source: id, layout: { visibility } };
  const mark = dark() ? "#ffffff" : "#101820";
  if (spec.kind === "polygon") {
    const outline = spec.outline ?? (dark() ? "#6c8296" : "#7d8c9a");
    return [
      { ...common, id: `${id}-fill`, type: "fill", paint: { "fill-color": colour, "fill-opacity": spec.opacity, "fill-antialias": false } },
      {
        ...common, id: `${id}-line`, type: "line",
        paint: {
          "line-color": outline, "line-width": ["interpolate", ["linear"], ["zoom"], 10, 0.5 * spec.width, 13, spec.width],
          "line-opacity": ["interpolate", ["linear"], ["zoom"], 10, 0.35, 13, 0.7],
        },
      },
      { ...common, id: `${id}-selected`, type: "line", filter: NONE, paint: { "line-color": mark, "line-width": 3 } },
    ];
  }
  const size = ["interpolate", ["linear"], ["zoom"], 9, spec.width * 0.5, 12, spec.width * 0.85, 16, spec.width * 1.8] as never;
  return [
    {
      ...common, id: `${id}-point`, type: "circle",
      paint: { "circle-color": colour, "circle-radius": size, "circle-opacity": spec.opacity, "circle-stroke-color": dark() ? "#0f1a24" : "#ffffff", "circle-stroke-width": spec.width < SMALL ? 0.8 : 1.5 },
    },
    {
      ...common, id: `${id}-selected`, type: "circle", filter: NONE,
      paint: { "circle-color": "rgba(0,0,0,0)", "circle-radius": spec.width * 2, "circle-stroke-color": mark, "circle-stroke-width": 3 },
    },
  ];
}

export function labelLayer(spec: LayerSpec, visibility: Visibility): LayerSpecification {
  const layout: Record<string, unknown> = {
    "text-field": ["get", "t"], "text-size": 12.5, "text-padding": 6, "text-font": ["Noto Sans SC"], visibility,
  };
  if (spec.kind === "line") Object.assign(layout, { "symbol-placement": "line", "symbol-spacing": 380, "text-letter-spacing": 0.06 });
  if (spec.kind === "point") Object.assign(layout, { "text-anchor": "left", "text-offset": [0.9, 0], "text-optional": true });
  return {
    id: `${spec.id}-label`, type: "symbol", source: spec.id, minzoom: spec.kind === "line" ? LABELS_FROM : PLACES_FROM, layout: layout as never,
    paint: { "text-color": dark() ? "#e6edf3" : "#1d2a36", "text-halo-color": dark() ? "#0f1a24" : "#ffffff", "text-halo-width": 1.6 },
  };
}

export function imageLayer(spec: LayerSpec, visibility: Visibility): LayerSpecification {
  return {
    id: `${spec.id}-raster`, type: "raster", source: spec.id, layout: { visibility },
    paint: { "raster-opacity": spec.opacity, "raster-fade-duration": 0, "raster-resampling": "nearest" },
  };
}

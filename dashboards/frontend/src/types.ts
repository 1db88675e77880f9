// What Python hands to the map (dashboards/maps.py) and what the map hands back.

export interface ClassStop {
  code: number;
  colour: string;
  colour_dark?: string;
  label: string;
  dash?: number[];
}

export interface RampStop {
  value: number;
  colour: string;
  label?: string;
}

export type LayerStyle =
  | { kind: "classes"; classes: ClassStop[]; missing: string; missing_dark?: string }
  | { kind: "ramp"; stops: RampStop[]; unit: string; missing: string; missing_dark?: string; missing_label?: string }
  | { kind: "plain"; colour: string; colour_dark?: string };

export interface LayerSpec {
  id: string;
  kind: "line" | "polygon" | "point" | "raster";
  title: string;
  url?: string; // geometry payload, or image of a raster
  data?: string; // the payload itself, base64
  bounds?: [number, number, number, number]; // rasters: west, south, east, north
  style: LayerStyle;
  opacity: number;
  width: number;
  visible: boolean;
  pick: boolean;
  labels: boolean;
  legend: boolean;
  outline?: string;
}

export interface PointSet {
  ids: string[];
  lon: number[];
  lat: number[];
  v?: (number | null)[];
  title?: string[];
}

export interface StateUpdate {
  layer: string;
  full?: { dtype: "u8" | "f32"; data: string };
  i?: number[];
  ids?: string[];
  v?: (number | null)[];
  points?: PointSet;
  payload?: string;
}

export interface BaseMap {
  kind: "none" | "raster" | "pmtiles" | "style";
  url?: string;
  attribution?: string;
  tile_size?: number;
}

export interface MapWords {
  layers: string;
  legend: string;
  zoom_in: string;
  zoom_out: string;
  fit: string;
  hint: string;
  missing: string; missing_dark?: string;
  loading: string;
  failed: string;
  no_webgl: string;
}

export interface MapProps {
  id: string;
  layers?: LayerSpec[];
  state?: StateUpdate | StateUpdate[] | null;
  selected?: { layer: string; id: string } | null;
  fit?: { bounds: [number, number, number, number]; max_zoom?: number } | null;
  base_map?: BaseMap;
  words?: Partial<MapWords>;
  label?: string;
  height?: string;
  className?: string;
  link?: string;
  click?: unknown;
  viewport?: unknown;
  ready?: boolean;
  setProps?: (props: Record<string, unknown>) => void;
}

export interface MapClick {
  layer: string;
  id: string;
  title: string;
  value: number | null;
  lon: number;
  lat: number;
  n: number;
}

// As much of React, which Dash brings, as our components use.
export interface ReactLike {
  createElement: (type: unknown, props: unknown, ...children: unknown[]) => unknown;
  useLayoutEffect: (run: () => void | (() => void), deps?: unknown[]) => void;
  useEffect: (run: () => void | (() => void), deps?: unknown[]) => void;
  useRef: <T>(value: T) => { current: T };
}

// Decoder of the geometry payload that dashboards/geometry.py writes: "XQ1\0", header length, JSON header, one stream of varints
// (rings a feature, vertices a ring, zigzag deltas of x, of y).
import type { Feature, Geometry, Position } from "geojson";

interface Header {
  kind: "line" | "polygon" | "point";
  n: number;
  rings: number;
  vertices: number;
  scale: number;
  bounds: [number, number, number, number] | null;
  ids: string[];
  titles?: string[];
  rank?: number[];
}

// All rings one after the other: rings of each feature, vertices of each ring, coordinates.
export interface Flat {
  parts: Uint32Array;
  counts: Uint32Array;
  xs: Float64Array;
  ys: Float64Array;
}

export interface Decoded {
  ids: string[];
  titles: string[];
  rank: number[];
  bounds: [number, number, number, number] | null;
  flat: Flat;
  features: () => Feature[]; // as GeoJSON, made when asked for
}

export const NOTHING: Decoded = {
  ids: [], titles: [], rank: [], bounds: null, features: () => [],
  flat: { parts: new Uint32Array(0), counts: new Uint32Array(0), xs: new Float64Array(0), ys: new Float64Array(0) },
};

export function fromBase64(text: string): ArrayBuffer {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) bytes[k] = raw.charCodeAt(k);
  return bytes.buffer;
}

function reader(bytes: Uint8Array): () => number {
  let at = 0;
  return () => {
    let value = 0;
    let shift = 1;
    for (;;) {
      const b = bytes[at++]!;
      value += (b & 127) * shift;
      if (b < 128) return value;
      shift *= 128;
    }
  };
}

const unzigzag = (z: number): number => (z % 2 === 0 ? z / 2 : -(z + 1) / 2);

function clockwise(ring: Position[]): boolean {
  let area = 0;
  for (let k = 1; k < ring.length; k++) area += (ring[k]![0]! - ring[k - 1]![0]!) * (ring[k]![1]! + ring[k - 1]![1]!);
  return area > 0;
}

// Outer rings are written counter-clockwise, holes clockwise after their outer ring.
function geometry(kind: Header["kind"], rings: Position[][]): Geometry {
  if (kind === "point") return { type: "Point", coordinates: rings[0]![0]! };
  if (kind === "line") {
    return rings.length === 1
      ? { type: "LineString", coordinates: rings[0]! }
      : { type: "MultiLineString", coordinates: rings };
  }
  const polygons: Position[][][] = [];
  for (const ring of rings) {
    if (polygons.length > 0 && clockwise(ring)) polygons[polygons.length - 1]!.push(ring);
    else polygons.push([ring]);
  }
  return polygons.length === 1
    ? { type: "Polygon", coordinates: polygons[0]! }
    : { type: "MultiPolygon", coordinates: polygons };
}

export function decode(buffer: ArrayBuffer): Decoded {
  const view = new DataView(buffer);
  if (view.getUint32(0, false) !== 0x58513100) throw new Error("not an XQ1 payload");
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as Header;
  const next = reader(new Uint8Array(buffer, 8 + length));
  const parts = Uint32Array.from({ length: header.n }, next);
  const counts = Uint32Array.from({ length: header.rings }, next);
  const xs = new Float64Array(header.vertices);
  const ys = new Float64Array(header.vertices);
  for (const axis of [xs, ys]) {
    let at = 0;
    for (let k = 0; k < axis.length; k++) {
      at += unzigzag(next());
      axis[k] = at * header.scale;
    }
  }
  const flat = { parts, counts, xs, ys };
  const rest = { ids: header.ids, titles: header.titles ?? [], rank: header.rank ?? [], bounds: header.bounds };
  return { ...rest, flat, features: () => features(header, flat) };
}

function features(header: Header, { parts, counts, xs, ys }: Flat): Feature[] {
  const out: Feature[] = [];
  let ring = 0;
  let vertex = 0;
  for (let f = 0; f < header.n; f++) {
    const rings: Position[][] = [];
    for (let r = 0; r < parts[f]!; r++) {
      const end = vertex + counts[ring++]!;
      const positions: Position[] = [];
      for (; vertex < end; vertex++) positions.push([xs[vertex]!, ys[vertex]!]);
      rings.push(positions);
    }
    if (rings.length === 0) continue;
    out.push({
      type: "Feature",
      id: f,
      geometry: geometry(header.kind, rings),
      properties: { t: header.titles?.[f] ?? "", r: header.rank?.[f] ?? 0 },
    });
  }
  return out;
}

// Lines without the vertices that lie within `tolerance` of the chord around them (Douglas and Peucker); ends stay.
export function simplified({ parts, counts, xs, ys }: Flat, tolerance: number): Flat {
  const keep = new Uint8Array(xs.length);
  const fewer = new Uint32Array(counts.length);
  const stack: number[] = [];
  let start = 0;
  for (let r = 0; r < counts.length; r++) {
    const last = start + counts[r]! - 1;
    if (last < start) continue;
    keep[start] = keep[last] = 1;
    stack.push(start, last);
    while (stack.length) {
      const b = stack.pop()!;
      const a = stack.pop()!;
      const dx = xs[b]! - xs[a]!;
      const dy = ys[b]! - ys[a]!;
      const square = dx * dx + dy * dy || 1e-30;
      let worst = tolerance * tolerance;
      let at = -1;
      for (let k = a + 1; k < b; k++) {
        const t = Math.max(0, Math.min(1, ((xs[k]! - xs[a]!) * dx + (ys[k]! - ys[a]!) * dy) / square));
        const ex = xs[k]! - xs[a]! - t * dx;
        const ey = ys[k]! - ys[a]! - t * dy;
        if (ex * ex + ey * ey <= worst) continue;
        worst = ex * ex + ey * ey;
        at = k;
      }
      if (at < 0) continue;
      keep[at] = 1;
      stack.push(a, at, at, b);
    }
    for (let k = start; k <= last; k++) fewer[r]! += keep[k]!;
    start = last + 1;
  }
  const total = fewer.reduce((sum, n) => sum + n, 0);
  const out = { parts, counts: fewer, xs: new Float64Array(total), ys: new Float64Array(total) };
  for (let k = 0, j = 0; k < xs.length; k++) {
    if (!keep[k]) continue;
    out.xs[j] = xs[k]!;
    out.ys[j++] = ys[k]!;
  }
  return out;
}

export function decodeState(update: { dtype: "u8" | "f32"; data: string }): (number | null)[] {
  const buffer = fromBase64(update.data);
  if (update.dtype === "u8") return Array.from(new Uint8Array(buffer), (v) => (v === 255 ? null : v));
  return Array.from(new Float32Array(buffer), (v) => (Number.isNaN(v) ? null : v));
}

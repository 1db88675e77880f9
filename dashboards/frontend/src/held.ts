// What the map holds of a layer: its features by their position, the value and colour of each, and how many have which value.
import type { LineLayer } from "./lines";
import { type Rgba, colourer } from "./paint";
import { type Decoded, NOTHING } from "./payload";
import type { LayerSpec, PointSet } from "./types";

type Value = number | null;

export class Held {
  ids: string[] = [];
  titles: string[] = [];
  values: Value[] = [];
  counts = new Map<Value, number>();
  features: Decoded["features"] = () => [];
  private index = new Map<string, number>();
  private colour: (value: Value) => Rgba;

  constructor(
    public spec: LayerSpec,
    readonly lines: LineLayer | null, // of kind line: drawn by ourselves
    private readonly paint: (k: number, value: Value) => void, // of the other kinds: MapLibre's feature state
  ) {
    this.colour = colourer(spec.style);
  }

  // Geometry taken over: everything without a value.
  take(got: Decoded): void {
    this.ids = got.ids;
    this.index = new Map(got.ids.map((id, k) => [id, k]));
    this.titles = got.titles;
    this.values = new Array<Value>(got.ids.length).fill(null);
    this.counts = new Map([[null, got.ids.length]]);
    this.features = got.features;
    this.lines?.setGeometry(got.flat, got.rank);
    this.recolour();
  }

  recolour(): void {
    if (!this.lines) return;
    this.colour = colourer(this.spec.style);
    this.values.forEach((value, k) => this.lines?.setColour(k, this.colour(value)));
    this.lines.redraw();
  }

  // All values again for a graphics context that knows none.
  repeat(): void {
    this.values.forEach((value, k) => this.paint(k, value));
  }

  at(id: string): number {
    return this.index.get(id) ?? -1;
  }

  put(k: number, value: Value): void {
    if (k < 0 || k >= this.ids.length) return;
    const old = this.values[k] ?? null;
    if (old === value) return;
    this.values[k] = value;
    this.counts.set(old, (this.counts.get(old) ?? 1) - 1);
    this.counts.set(value, (this.counts.get(value) ?? 0) + 1);
    if (this.lines) this.lines.setColour(k, this.colour(value));
    else this.paint(k, value);
  }
}

// Points that move, as geometry.
export function decodedPoints(set: PointSet): Decoded {
  return {
    ...NOTHING,
    ids: set.ids,
    titles: set.title ?? [],
    features: () => set.ids.map((_, k) => ({
      type: "Feature", id: k,
      geometry: { type: "Point", coordinates: [set.lon[k]!, set.lat[k]!] },
      properties: { t: set.title?.[k] ?? "", r: 0 },
    })),
  };
}

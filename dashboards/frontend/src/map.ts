// The map itself: MapLibre GL with geometry sent once and state as small differences. No glyphs, tiles or sprites are requested
// unless a base map is configured; text is drawn from local fonts.
import * as maplibregl from "maplibre-gl";
import type { GeoJSONSource } from "maplibre-gl";
import { Held, decodedPoints } from "./held";
import { LineLayer } from "./lines";
import { LABELS_FROM, type Visibility, baseStyle, ground, imageLayer, labelLayer, placeLayers } from "./look";
import { type Rgba, dark, widthAt } from "./paint";
import { Panel, element, summary } from "./panel";
import { type Decoded, NOTHING, decode, decodeState, fromBase64 } from "./payload";
import { Pointer } from "./pointer";
import type { LayerSpec, MapClick, MapProps, MapWords, StateUpdate } from "./types";

const FONT = "'Noto Sans SC Variable','Noto Sans SC','Noto Sans CJK SC','Microsoft YaHei',sans-serif";
const PARTS = ["-fill", "-line", "-point", "-selected", "-label", "-raster"];
const EMPTY = { type: "FeatureCollection" as const, features: [] };
type Bounds = [number, number, number, number];

// What was fetched while the map itself was being loaded.
export interface Fetched {
  spec: LayerSpec;
  buffer: ArrayBuffer;
}

export function setWorker(url: string): void {
  maplibregl.setWorkerUrl(url);
}

function newMap(container: HTMLElement, props: MapProps, words: MapWords, first: Bounds | undefined): maplibregl.Map {
  const map = new maplibregl.Map({
    container,
    style: baseStyle(props.base_map),
    ...(first ? { bounds: first, fitBoundsOptions: { padding: 36, maxZoom: 15 } } : { center: [121.87, 29.48], zoom: 9 }),
    attributionControl: props.base_map?.attribution ? { compact: true } : false,
    localIdeographFontFamily: FONT,
    dragRotate: false,
    pitchWithRotate: false,
    fadeDuration: 0,
    maxPitch: 0,
    locale: { "NavigationControl.ZoomIn": words.zoom_in, "NavigationControl.ZoomOut": words.zoom_out, "Map.Title": props.label ?? "" },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.ScaleControl({ maxWidth: 110, unit: "metric" }), "bottom-right");
  return map;
}

export class MapController {
  private readonly map: maplibregl.Map;
  private readonly panel: Panel;
  private readonly notice = element("div", "xm-notice");
  private readonly alternative = element("p", "visually-hidden");
  private readonly observer: MutationObserver;
  private readonly resizer: ResizeObserver;
  private specs: LayerSpec[] = [];
  private readonly held = new Map<string, Held>();
  private readonly early = new Map<string, Decoded>();
  private readonly waiting = new Map<string, StateUpdate[]>();
  private readonly shown = new Map<string, boolean>();
  private fitted = false;
  private redraw = 0;
  private loading = 0;
  private gone = false;
  private selected: MapProps["selected"] = null;

  constructor(
    private readonly box: HTMLElement,
    private readonly words: MapWords,
    private readonly props: () => MapProps,
    fetched: readonly Fetched[] = [],
  ) {
    for (const { spec, buffer } of fetched) this.early.set(spec.url!, decode(buffer));
    const first = [...this.early.values()].find((d) => d.bounds)?.bounds;
    this.fitted = Boolean(first);
    const canvas = element("div", "xm-canvas");
    this.alternative.setAttribute("aria-live", "off");
    this.alternative.id = `${props().id}-alternative`;
    box.append(canvas, this.notice, this.alternative);
    this.map = newMap(canvas, props(), words, first ?? undefined);
    this.map.getCanvas().setAttribute("aria-describedby", this.alternative.id);
    const pointer = new Pointer(this.map, box, words, {
      open: () => this.specs.filter((s) => s.pick && this.visibility(s) === "visible"),
      held: (id) => this.held.get(id),
      picked: (click) => this.picked(click),
    });
    canvas.after(pointer.tip);
    this.panel = new Panel(words, { toggle: (layer, on) => this.toggle(layer, on) });
    box.append(this.panel.root);
    this.observer = new MutationObserver(() => this.restyle());
    this.observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.resizer = new ResizeObserver(() => this.map.resize());
    this.resizer.observe(box);
    this.events();
  }

  destroy(): void {
    this.gone = true;
    this.observer.disconnect();
    this.resizer.disconnect();
    this.map.remove();
    this.box.replaceChildren();
  }

  // --- layers -----------------------------------------------------------------------------------------------------

  private whenReady(run: () => void): void {
    if (this.map.isStyleLoaded() || this.map.getLayer("background")) run();
    else this.map.once("style.load", run);
  }

  setLayers(specs: LayerSpec[]): void {
    this.whenReady(() => {
      const wanted = new Set(specs.map((s) => s.id));
      for (const old of this.specs) if (!wanted.has(old.id)) this.drop(old.id);
      const before = new Map(this.specs.map((s) => [s.id, s]));
      this.specs = specs;
      for (const spec of specs) {
        const old = before.get(spec.id);
        const same = old && old.kind === spec.kind && old.url === spec.url && old.data === spec.data;
        if (same && this.held.has(spec.id)) this.repaint(spec);
        else if (!same) {
          this.drop(spec.id);
          this.add(spec);
        }
      }
      this.order();
      this.draw();
    });
  }

  private drop(id: string): void {
    this.unpaint(id);
    if (this.map.getSource(id)) this.map.removeSource(id);
    this.held.delete(id);
  }

  private unpaint(id: string): void {
    for (const part of PARTS) if (this.map.getLayer(id + part)) this.map.removeLayer(id + part);
  }

  private add(spec: LayerSpec): void {
    if (spec.kind === "raster") {
      this.addImage(spec);
      return;
    }
    if (spec.kind !== "line") {
      this.addSource(spec.id);
      this.paintPlaces(spec);
    }
    const early = this.early.get(spec.url ?? "");
    this.early.delete(spec.url ?? "");
    if (early) this.accept(spec, early);
    else if (!spec.url && !spec.data) this.accept(spec, NOTHING);
    else void this.fetch(spec);
  }

  private addSource(id: string): void {
    this.map.addSource(id, { type: "geojson", data: EMPTY, maxzoom: 16, tolerance: 0.3, buffer: 32 });
  }

  private async fetch(spec: LayerSpec): Promise<void> {
    this.busy(1);
    try {
      let buffer: ArrayBuffer;
      if (spec.data) buffer = fromBase64(spec.data);
      else {
        const answer = await fetch(spec.url!, { credentials: "same-origin" });
        if (!answer.ok) throw new Error(`${answer.status}`);
        buffer = await answer.arrayBuffer();
      }
      const current = this.specs.find((s) => s.id === spec.id);
      if (this.gone || !current || current.url !== spec.url || current.data !== spec.data) return;
      this.accept(current, decode(buffer));
    } catch (error) {
      this.say(`${this.words.failed}: ${spec.title} (${(error as Error).message})`);
    } finally {
      this.busy(-1);
    }
  }

  private accept(spec: LayerSpec, got: Decoded): void {
    const layer = this.hold(spec, spec.kind === "line" ? this.lineLayer(spec, got) : null);
    if (!this.fitted && got.bounds) this.fit(got.bounds, 15); // before the data, so that only tiles in view are cut
    this.take(layer, got);
    if (layer.lines) this.map.addLayer(layer.lines);
    this.order();
    for (const update of this.waiting.get(spec.id) ?? []) this.apply(update);
    this.waiting.delete(spec.id);
    this.nameStreets();
    this.select(this.selected);
    this.draw();
    this.map.once("idle", () => {
      if (!this.gone) this.props().setProps?.({ ready: true });
    });
  }

  private hold(spec: LayerSpec, lines: LineLayer | null): Held {
    const layer = new Held(spec, lines, (k, v) => this.map.setFeatureState({ source: spec.id, id: k }, { v }));
    this.held.set(spec.id, layer);
    return layer;
  }

  private lineLayer(spec: LayerSpec, got: Decoded): LineLayer {
    const look = (zoom: number): { width: number; opacity: number; mark: Rgba } => {
      const now = this.held.get(spec.id)?.spec ?? spec;
      return { width: widthAt(now, zoom), opacity: now.opacity, mark: dark() ? [0.85, 0.85, 0.85, 0.85] : [0.05, 0.08, 0.11, 0.85] };
    };
    const lines = new LineLayer(`${spec.id}-line`, look, got.flat, got.rank);
    lines.shown = this.visibility(spec) === "visible";
    return lines;
  }

  private take(layer: Held, got: Decoded): void {
    layer.take(got);
    this.map.getSource<GeoJSONSource>(layer.spec.id)?.setData({ type: "FeatureCollection", features: got.features() });
  }

  // The browser took the graphics context away and gave a new one: what MapLibre does not know of is handed over again.
  private revive(): void {
    for (const [id, layer] of this.held) {
      if (layer.lines && !this.map.getLayer(layer.lines.id)) this.map.addLayer(layer.lines);
      else if (!layer.lines && this.map.getSource(id)) layer.repeat();
    }
    this.order();
  }

  // Names of streets are written by MapLibre, from a source of its own that is made when first they can be read.
  private nameStreets(): void {
    if (this.map.getZoom() < LABELS_FROM) return;
    for (const { spec, lines, features } of this.held.values()) {
      if (!lines || !spec.labels || this.map.getSource(spec.id)) continue;
      this.addSource(spec.id);
      this.map.getSource<GeoJSONSource>(spec.id)?.setData({ type: "FeatureCollection", features: features() });
      this.map.addLayer(labelLayer(spec, this.visibility(spec)));
    }
  }

  private addImage(spec: LayerSpec): void {
    if (!spec.url || !spec.bounds) return;
    const [w, s, e, n] = spec.bounds;
    this.map.addSource(spec.id, { type: "image", url: spec.url, coordinates: [[w, n], [e, n], [e, s], [w, s]] });
    this.map.addLayer(imageLayer(spec, this.visibility(spec)));
    this.hold(spec, null);
    if (!this.fitted) this.fit(spec.bounds, 15);
  }

  private paintPlaces(spec: LayerSpec): void {
    for (const one of placeLayers(spec, this.visibility(spec))) this.map.addLayer(one);
    if (spec.labels) this.map.addLayer(labelLayer(spec, this.visibility(spec)));
  }

  private visibility(spec: LayerSpec): Visibility {
    return (this.shown.get(spec.id) ?? spec.visible) ? "visible" : "none";
  }

  private repaint(spec: LayerSpec): void {
    const layer = this.held.get(spec.id);
    if (layer) layer.spec = spec;
    if (layer?.lines) {
      if (this.map.getLayer(`${spec.id}-label`)) this.map.removeLayer(`${spec.id}-label`);
      if (spec.labels && this.map.getSource(spec.id)) this.map.addLayer(labelLayer(spec, this.visibility(spec)));
      layer.recolour();
      return;
    }
    this.unpaint(spec.id);
    if (spec.kind === "raster") {
      if (this.map.getSource(spec.id)) this.map.removeSource(spec.id);
      this.addImage(spec);
    } else this.paintPlaces(spec);
    this.select(this.selected);
  }

  private restyle(): void {
    if (this.map.getLayer("background")) this.map.setPaintProperty("background", "background-color", ground());
    for (const spec of this.specs) if (this.held.has(spec.id)) this.repaint(spec);
    this.order();
    this.draw();
  }

  private order(): void {
    for (const part of ["-raster", "-fill"]) this.raise(part);
    for (const spec of this.specs) for (const part of ["-selected", "-line", "-point"]) if (this.map.getLayer(spec.id + part)) this.map.moveLayer(spec.id + part);
    this.raise("-label");
  }

  private raise(part: string): void {
    for (const spec of this.specs) if (this.map.getLayer(spec.id + part)) this.map.moveLayer(spec.id + part);
  }

  private toggle(layer: string, visible: boolean): void {
    this.shown.set(layer, visible);
    const lines = this.held.get(layer)?.lines;
    if (lines) lines.shown = visible;
    for (const part of lines ? ["-label"] : PARTS) if (this.map.getLayer(layer + part)) this.map.setLayoutProperty(layer + part, "visibility", visible ? "visible" : "none");
    lines?.redraw();
    this.draw();
  }

  // --- state ------------------------------------------------------------------------------------------------------

  setState(updates: StateUpdate | StateUpdate[]): void {
    for (const update of Array.isArray(updates) ? updates : [updates]) {
      if (this.held.has(update.layer)) this.apply(update);
      else this.waiting.set(update.layer, [...(update.full ? [] : (this.waiting.get(update.layer) ?? [])), update]);
    }
    this.draw();
  }

  private apply(update: StateUpdate): void {
    const layer = this.held.get(update.layer)!;
    if (update.payload !== undefined) this.replace(layer, decode(fromBase64(update.payload)));
    if (update.points) {
      this.replace(layer, decodedPoints(update.points));
      update.points.v?.forEach((v, k) => layer.put(k, v));
    }
    if (update.full) decodeState(update.full).forEach((v, k) => layer.put(k, v));
    const indices = update.i ?? update.ids?.map((id) => layer.at(id));
    indices?.forEach((k, at) => layer.put(k, update.v?.[at] ?? null));
    layer.lines?.redraw();
  }

  private replace(layer: Held, got: Decoded): void {
    if (this.map.getSource(layer.spec.id)) this.map.removeFeatureState({ source: layer.spec.id });
    this.take(layer, got);
  }

  select(selected: MapProps["selected"]): void {
    this.selected = selected ?? null;
    for (const [id, layer] of this.held) {
      const k = selected?.layer === id ? layer.at(selected.id) : -1;
      layer.lines?.select(k);
      if (this.map.getLayer(`${id}-selected`)) this.map.setFilter(`${id}-selected`, ["==", ["id"], k]);
    }
  }

  fit(bounds: Bounds, maxZoom = 16): void {
    this.fitted = true;
    this.map.fitBounds(bounds, { padding: 36, maxZoom, animate: false });
  }

  // --- what is told -------------------------------------------------------------------------------------------------

  private picked(click: MapClick): void {
    const selected = { layer: click.layer, id: click.id };
    this.select(selected);
    this.props().setProps?.({ click, selected });
  }

  private events(): void {
    this.map.on("moveend", () => {
      const b = this.map.getBounds();
      const bounds = [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()];
      this.box.dataset["zoom"] = this.map.getZoom().toFixed(2);
      if (!this.gone) this.props().setProps?.({ viewport: { bounds, zoom: this.map.getZoom() } });
    });
    this.map.on("zoomend", () => this.nameStreets());
    this.map.on("webglcontextrestored", () => this.map.once("styledata", () => this.revive()));
    this.map.on("error", (e) => this.say(`${this.words.failed}: ${e.error?.message ?? ""}`));
  }

  private busy(step: number): void {
    this.loading += step;
    if (this.loading > 0) this.say(this.words.loading);
    else if (this.notice.textContent === this.words.loading) this.say("");
  }

  private say(text: string): void {
    this.notice.textContent = text;
    this.notice.hidden = text === "";
  }

  // Legend and text alternative follow the state, at most four times a second.
  private draw(): void {
    if (this.redraw) return;
    this.redraw = window.setTimeout(() => {
      this.redraw = 0;
      if (this.gone) return;
      const counts = (id: string): Map<number | null, number> => this.held.get(id)?.counts ?? new Map();
      this.panel.draw(this.specs, this.shown, counts);
      this.alternative.textContent = `${summary(this.specs, counts, this.words)} ${this.words.hint}`;
    }, 250);
  }
}

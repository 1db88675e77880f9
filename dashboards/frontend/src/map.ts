// The map itself: MapLibre GL with geometry sent once and state as small differences. No glyphs, tiles or sprites are requested
// unless a base map is configured; text is drawn from local fonts.
import * as maplibregl from "maplibre-gl";
import type { FilterSpecification, GeoJSONSource, StyleSpecification } from "maplibre-gl";
import { PMTiles, Protocol } from "pmtiles";
import { LineLayer } from "./lines";
import { type Rgba, colourer, colourOf, dark, labelOf, widthAt } from "./paint";
import { Panel, element, summary } from "./panel";
import { type Decoded, NOTHING, decode, decodeState, fromBase64 } from "./payload";
import type { BaseMap, LayerSpec, MapClick, MapProps, MapWords, PointSet, StateUpdate } from "./types";

const FONT = "'Noto Sans SC Variable','Noto Sans SC','Noto Sans CJK SC','Microsoft YaHei',sans-serif";
const PARTS = ["-fill", "-line", "-point", "-selected", "-label", "-raster"];
const LABELS_FROM = 14; // zoom
const NEAR = 5; // pixels
const BACKGROUND = { light: "#eef1f4", dark: "#0f1a24" };

interface Loaded {
  spec: LayerSpec;
  ids: string[];
  index: Map<string, number>;
  titles: string[];
  values: (number | null)[];
  counts: Map<number | null, number>;
  features: Decoded["features"];
  lines: LineLayer | null; // of kind line: drawn by ourselves
  colour: (value: number | null) => Rgba;
}

// What was fetched while the map itself was being loaded.
export interface Fetched {
  spec: LayerSpec;
  buffer: ArrayBuffer;
}

const EMPTY = { type: "FeatureCollection" as const, features: [] };

export function setWorker(url: string): void {
  maplibregl.setWorkerUrl(url);
}

export class MapController {
  private readonly map: maplibregl.Map;
  private readonly panel: Panel;
  private readonly tip = element("div", "xm-tip");
  private readonly notice = element("div", "xm-notice");
  private readonly alternative = element("p", "visually-hidden");
  private readonly observer: MutationObserver;
  private readonly resizer: ResizeObserver;
  private specs: LayerSpec[] = [];
  private readonly loaded = new Map<string, Loaded>();
  private readonly early = new Map<string, Decoded>();
  private readonly waiting = new Map<string, StateUpdate[]>();
  private readonly shown = new Map<string, boolean>();
  private clicks = 0;
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
    box.append(canvas, this.tip, this.notice, this.alternative);
    this.tip.hidden = true;
    this.map = new maplibregl.Map({
      container: canvas,
      style: this.baseStyle(props().base_map),
      ...(first ? { bounds: first, fitBoundsOptions: { padding: 36, maxZoom: 15 } } : { center: [121.87, 29.48], zoom: 9 }),
      attributionControl: props().base_map?.attribution ? { compact: true } : false,
      localIdeographFontFamily: FONT,
      dragRotate: false,
      pitchWithRotate: false,
      fadeDuration: 0,
      maxPitch: 0,
      locale: {
        "NavigationControl.ZoomIn": words.zoom_in,
        "NavigationControl.ZoomOut": words.zoom_out,
        "Map.Title": props().label ?? "",
      },
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new maplibregl.ScaleControl({ maxWidth: 110, unit: "metric" }), "bottom-right");
    this.map.getCanvas().setAttribute("aria-describedby", this.alternative.id);
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

  private baseStyle(base: BaseMap | undefined): StyleSpecification | string {
    const style: StyleSpecification = {
      version: 8,
      sources: {},
      layers: [{ id: "background", type: "background", paint: { "background-color": dark() ? BACKGROUND.dark : BACKGROUND.light } }],
    };
    if (!base || base.kind === "none" || !base.url) return style;
    if (base.kind === "style") return base.url;
    if (base.kind === "pmtiles") {
      const protocol = new Protocol();
      const url = new URL(base.url, location.href).href;
      protocol.add(new PMTiles(url));
      maplibregl.addProtocol("pmtiles", protocol.tile);
      style.sources["base"] = { type: "raster", url: `pmtiles://${url}`, tileSize: base.tile_size ?? 256, attribution: base.attribution ?? "" };
    } else {
      style.sources["base"] = { type: "raster", tiles: [base.url], tileSize: base.tile_size ?? 256, attribution: base.attribution ?? "" };
    }
    style.layers.push({ id: "base", type: "raster", source: "base", paint: { "raster-opacity": 0.85 } });
    return style;
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
        if (same && this.loaded.has(spec.id)) this.repaint(spec);
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
    for (const part of PARTS) if (this.map.getLayer(id + part)) this.map.removeLayer(id + part);
    if (this.map.getSource(id)) this.map.removeSource(id);
    this.loaded.delete(id);
  }

  private add(spec: LayerSpec): void {
    if (spec.kind === "raster") {
      this.addRaster(spec);
      return;
    }
    if (spec.kind !== "line") {
      this.addSource(spec.id);
      this.paintLayers(spec);
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
    const lines = spec.kind === "line" ? this.lineLayer(spec, got) : null;
    const layer: Loaded = { spec, lines, colour: colourer(spec.style), ids: [], index: new Map(), titles: [], values: [], counts: new Map(), features: got.features };
    this.loaded.set(spec.id, layer);
    if (!this.fitted && got.bounds) this.fit(got.bounds, 15); // before the data, so that only tiles in view are cut
    this.take(layer, got);
    if (lines) this.map.addLayer(lines);
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

  private lineLayer(spec: LayerSpec, got: Decoded): LineLayer {
    const look = (zoom: number): { width: number; opacity: number; mark: Rgba } => {
      const now = this.loaded.get(spec.id)?.spec ?? spec;
      return { width: widthAt(now, zoom), opacity: now.opacity, mark: dark() ? [0.85, 0.85, 0.85, 0.85] : [0.05, 0.08, 0.11, 0.85] };
    };
    const lines = new LineLayer(`${spec.id}-line`, look, got.flat, got.rank);
    lines.shown = this.visibility(spec) === "visible";
    return lines;
  }

  // New geometry under a layer: everything without a value, nothing selected.
  private take(layer: Loaded, got: Decoded): void {
    layer.ids = got.ids;
    layer.index = new Map(got.ids.map((id, k) => [id, k]));
    layer.titles = got.titles;
    layer.values = new Array<number | null>(got.ids.length).fill(null);
    layer.counts = new Map([[null, got.ids.length]]);
    layer.features = got.features;
    layer.lines?.setGeometry(got.flat, got.rank);
    const source = this.map.getSource<GeoJSONSource>(layer.spec.id);
    source?.setData({ type: "FeatureCollection", features: got.features() });
    this.recolour(layer);
  }

  private recolour(layer: Loaded): void {
    if (!layer.lines) return;
    layer.colour = colourer(layer.spec.style);
    layer.values.forEach((value, k) => layer.lines?.setColour(k, layer.colour(value)));
    layer.lines.redraw();
  }

  // The browser took the graphics context away and gave a new one: what MapLibre does not know of is handed over again.
  private revive(): void {
    for (const [id, layer] of this.loaded) {
      if (layer.lines && !this.map.getLayer(layer.lines.id)) this.map.addLayer(layer.lines);
      else if (!layer.lines && this.map.getSource(id)) layer.values.forEach((v, k) => this.map.setFeatureState({ source: id, id: k }, { v }));
    }
    this.order();
  }

  // Names of streets are written by MapLibre, from a source of its own that is made when first they can be read.
  private nameStreets(): void {
    if (this.map.getZoom() < LABELS_FROM) return;
    for (const { spec, lines, features } of this.loaded.values()) {
      if (!lines || !spec.labels || this.map.getSource(spec.id)) continue;
      this.addSource(spec.id);
      this.map.getSource<GeoJSONSource>(spec.id)?.setData({ type: "FeatureCollection", features: features() });
      this.paintLabels(spec);
    }
  }

  private addRaster(spec: LayerSpec): void {
    if (!spec.url || !spec.bounds) return;
    const [w, s, e, n] = spec.bounds;
    this.map.addSource(spec.id, { type: "image", url: spec.url, coordinates: [[w, n], [e, n], [e, s], [w, s]] });
    this.map.addLayer({
      id: `${spec.id}-raster`, type: "raster", source: spec.id,
      paint: { "raster-opacity": spec.opacity, "raster-fade-duration": 0, "raster-resampling": "nearest" },
      layout: { visibility: this.visibility(spec) },
    });
    this.loaded.set(spec.id, { spec, ids: [], index: new Map(), titles: [], values: [], counts: new Map(), features: () => [], lines: null, colour: colourer(spec.style) });
    if (!this.fitted) this.fit(spec.bounds, 15);
  }

  private paintLayers(spec: LayerSpec): void {
    const { id } = spec;
    const colour = colourOf(spec.style);
    const layout = { visibility: this.visibility(spec) };
    const none: FilterSpecification = ["==", ["id"], -1];
    const mark = dark() ? "#ffffff" : "#101820";
    if (spec.kind === "polygon") {
      this.map.addLayer({ id: `${id}-fill`, type: "fill", source: id, layout, paint: { "fill-color": colour, "fill-opacity": spec.opacity, "fill-antialias": false } });
      this.map.addLayer({ id: `${id}-line`, type: "line", source: id, layout, paint: { "line-color": spec.outline ?? (dark() ? "#6c8296" : "#7d8c9a"), "line-width": ["interpolate", ["linear"], ["zoom"], 10, 0.5 * spec.width, 13, spec.width], "line-opacity": ["interpolate", ["linear"], ["zoom"], 10, 0.35, 13, 0.7] } });
      this.map.addLayer({ id: `${id}-selected`, type: "line", source: id, filter: none, layout, paint: { "line-color": mark, "line-width": 3 } });
    } else {
      const size = ["interpolate", ["linear"], ["zoom"], 9, spec.width * 0.7, 16, spec.width * 1.8];
      this.map.addLayer({ id: `${id}-point`, type: "circle", source: id, layout, paint: { "circle-color": colour, "circle-radius": size as never, "circle-opacity": spec.opacity, "circle-stroke-color": dark() ? "#0f1a24" : "#ffffff", "circle-stroke-width": 1.5 } });
      this.map.addLayer({ id: `${id}-selected`, type: "circle", source: id, filter: none, layout, paint: { "circle-color": "rgba(0,0,0,0)", "circle-radius": spec.width * 2, "circle-stroke-color": mark, "circle-stroke-width": 3 } });
    }
    if (spec.labels) this.paintLabels(spec);
  }

  private paintLabels(spec: LayerSpec): void {
    const layout: Record<string, unknown> = {
      "text-field": ["get", "t"], "text-size": 12.5, "text-padding": 6, "text-font": ["Noto Sans SC"],
      visibility: this.visibility(spec),
    };
    if (spec.kind === "line") Object.assign(layout, { "symbol-placement": "line", "symbol-spacing": 380, "text-letter-spacing": 0.06 });
    if (spec.kind === "point") Object.assign(layout, { "text-anchor": "left", "text-offset": [0.9, 0], "text-optional": true });
    this.map.addLayer({
      id: `${spec.id}-label`, type: "symbol", source: spec.id, minzoom: spec.kind === "line" ? LABELS_FROM : 11, layout: layout as never,
      paint: { "text-color": dark() ? "#e6edf3" : "#1d2a36", "text-halo-color": dark() ? "#0f1a24" : "#ffffff", "text-halo-width": 1.6 },
    });
  }

  private visibility(spec: LayerSpec): "visible" | "none" {
    return (this.shown.get(spec.id) ?? spec.visible) ? "visible" : "none";
  }

  private repaint(spec: LayerSpec): void {
    const loaded = this.loaded.get(spec.id);
    if (loaded) loaded.spec = spec;
    if (loaded?.lines) {
      if (this.map.getLayer(`${spec.id}-label`)) this.map.removeLayer(`${spec.id}-label`);
      if (spec.labels && this.map.getSource(spec.id)) this.paintLabels(spec);
      this.recolour(loaded);
      return;
    }
    for (const part of PARTS) if (this.map.getLayer(spec.id + part)) this.map.removeLayer(spec.id + part);
    if (spec.kind === "raster") {
      if (this.map.getSource(spec.id)) this.map.removeSource(spec.id);
      this.addRaster(spec);
    } else this.paintLayers(spec);
    this.select(this.selected);
  }

  private restyle(): void {
    if (this.map.getLayer("background")) this.map.setPaintProperty("background", "background-color", dark() ? BACKGROUND.dark : BACKGROUND.light);
    for (const spec of this.specs) if (this.loaded.has(spec.id)) this.repaint(spec);
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
    const lines = this.loaded.get(layer)?.lines;
    if (lines) lines.shown = visible;
    for (const part of lines ? ["-label"] : PARTS) if (this.map.getLayer(layer + part)) this.map.setLayoutProperty(layer + part, "visibility", visible ? "visible" : "none");
    lines?.redraw();
    this.draw();
  }

  // --- state ------------------------------------------------------------------------------------------------------

  setState(updates: StateUpdate | StateUpdate[]): void {
    for (const update of Array.isArray(updates) ? updates : [updates]) {
      if (this.loaded.has(update.layer)) this.apply(update);
      else this.waiting.set(update.layer, [...(update.full ? [] : (this.waiting.get(update.layer) ?? [])), update]);
    }
    this.draw();
  }

  private apply(update: StateUpdate): void {
    const layer = this.loaded.get(update.layer)!;
    if (update.payload !== undefined) this.replace(layer, decode(fromBase64(update.payload)));
    if (update.points) this.points(layer, update.points);
    if (update.full) decodeState(update.full).forEach((v, k) => this.put(layer, k, v));
    const indices = update.i ?? update.ids?.map((id) => layer.index.get(id) ?? -1);
    indices?.forEach((k, at) => this.put(layer, k, update.v?.[at] ?? null));
    layer.lines?.redraw();
  }

  private put(layer: Loaded, k: number, value: number | null): void {
    if (k < 0 || k >= layer.ids.length) return;
    const old = layer.values[k] ?? null;
    if (old === value) return;
    layer.values[k] = value;
    layer.counts.set(old, (layer.counts.get(old) ?? 1) - 1);
    layer.counts.set(value, (layer.counts.get(value) ?? 0) + 1);
    if (layer.lines) layer.lines.setColour(k, layer.colour(value));
    else this.map.setFeatureState({ source: layer.spec.id, id: k }, { v: value });
  }

  private replace(layer: Loaded, got: Decoded): void {
    if (this.map.getSource(layer.spec.id)) this.map.removeFeatureState({ source: layer.spec.id });
    this.take(layer, got);
  }

  private points(layer: Loaded, set: PointSet): void {
    this.replace(layer, {
      ...NOTHING,
      ids: set.ids,
      titles: set.title ?? [],
      features: () => set.ids.map((_, k) => ({
        type: "Feature", id: k,
        geometry: { type: "Point", coordinates: [set.lon[k]!, set.lat[k]!] },
        properties: { t: set.title?.[k] ?? "", r: 0 },
      })),
    });
    set.v?.forEach((v, k) => this.put(layer, k, v));
  }

  select(selected: MapProps["selected"]): void {
    this.selected = selected ?? null;
    for (const [id, layer] of this.loaded) {
      const k = selected?.layer === id ? (layer.index.get(selected.id) ?? -1) : -1;
      layer.lines?.select(k);
      if (this.map.getLayer(`${id}-selected`)) this.map.setFilter(`${id}-selected`, ["==", ["id"], k]);
    }
  }

  fit(bounds: [number, number, number, number], maxZoom = 16): void {
    this.fitted = true;
    this.map.fitBounds(bounds, { padding: 36, maxZoom, animate: false });
  }

  // --- what people do ---------------------------------------------------------------------------------------------

  // What lies at a place: a point before a line before an area, the topmost first.
  private at(point: maplibregl.Point): { layer: Loaded; k: number } | undefined {
    const open = this.specs.filter((s) => s.pick && this.visibility(s) === "visible");
    const rendered = (part: string, where: Parameters<maplibregl.Map["queryRenderedFeatures"]>[0]): { layer: Loaded; k: number } | undefined => {
      const layers = open.map((s) => s.id + part).filter((l) => this.map.getLayer(l)?.type !== undefined);
      const feature = layers.length ? this.map.queryRenderedFeatures(where, { layers })[0] : undefined;
      const layer = feature && this.loaded.get(feature.source);
      return layer && { layer, k: feature.id as number };
    };
    const near: [maplibregl.PointLike, maplibregl.PointLike] = [[point.x - NEAR, point.y - NEAR], [point.x + NEAR, point.y + NEAR]];
    const found = rendered("-point", near);
    if (found) return found;
    for (const spec of [...open].reverse()) {
      const layer = this.loaded.get(spec.id);
      const k = layer?.lines?.nearest(point, NEAR) ?? -1;
      if (layer && k >= 0) return { layer, k };
    }
    return rendered("-fill", point);
  }

  private pick(point: maplibregl.Point): void {
    const found = this.at(point);
    if (!found) return;
    const { layer, k } = found;
    const place = this.map.unproject(point);
    const click: MapClick = {
      layer: layer.spec.id, id: layer.ids[k]!, title: layer.titles[k] ?? "", value: layer.values[k] ?? null,
      lon: place.lng, lat: place.lat, n: ++this.clicks,
    };
    this.select({ layer: click.layer, id: click.id });
    this.props().setProps?.({ click, selected: { layer: click.layer, id: click.id } });
  }

  private events(): void {
    const canvas = this.map.getCanvas();
    this.map.on("click", (e) => this.pick(e.point));
    canvas.addEventListener("keydown", (e) => {
      if (e.key !== "Enter") return;
      this.pick(this.map.project(this.map.getCenter()));
    });
    canvas.addEventListener("focus", () => this.box.classList.toggle("xm-focus", canvas.matches(":focus-visible")));
    canvas.addEventListener("blur", () => this.box.classList.remove("xm-focus"));
    this.map.on("mousemove", (e) => this.hover(e.point));
    this.map.on("mouseout", () => (this.tip.hidden = true));
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

  private hover(point: maplibregl.Point): void {
    const found = this.at(point);
    this.map.getCanvas().style.cursor = found ? "pointer" : "";
    if (!found) {
      this.tip.hidden = true;
      return;
    }
    const { layer, k } = found;
    const value = labelOf(layer.spec.style, layer.values[k] ?? null, this.words.missing);
    const title = layer.titles[k] || layer.ids[k] || "";
    this.tip.replaceChildren(element("strong", "", title), element("span", "", value));
    this.tip.hidden = false;
    const left = Math.min(point.x + 14, this.box.clientWidth - this.tip.offsetWidth - 8);
    this.tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(point.y + 14)}px)`;
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
      const counts = (id: string): Map<number | null, number> => this.loaded.get(id)?.counts ?? new Map();
      this.panel.draw(this.specs, this.shown, counts);
      this.alternative.textContent = `${summary(this.specs, counts, this.words)} ${this.words.hint}`;
    }, 250);
  }
}

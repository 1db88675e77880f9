// The map itself: MapLibre GL with geometry sent once and state as small differences. No glyphs, tiles or sprites are requested
// unless a base map is configured; text is drawn from local fonts.
import * as maplibregl from "maplibre-gl";
import type { FilterSpecification, GeoJSONSource, MapGeoJSONFeature, StyleSpecification } from "maplibre-gl";
import { PMTiles, Protocol } from "pmtiles";
import { colourOf, dark, labelOf, widthOf } from "./paint";
import { Panel, element, summary } from "./panel";
import { type Decoded, decode, decodeState, fromBase64 } from "./payload";
import type { BaseMap, LayerSpec, MapClick, MapProps, MapWords, PointSet, StateUpdate } from "./types";

const FONT = "'Noto Sans SC Variable','Noto Sans SC','Noto Sans CJK SC','Microsoft YaHei',sans-serif";
const PARTS = ["-fill", "-line", "-point", "-selected", "-label", "-raster"];
const BACKGROUND = { light: "#eef1f4", dark: "#0f1a24" };

interface Loaded {
  spec: LayerSpec;
  ids: string[];
  index: Map<string, number>;
  titles: string[];
  values: (number | null)[];
  counts: Map<number | null, number>;
  bounds: Decoded["bounds"];
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
  ) {
    const canvas = element("div", "xm-canvas");
    this.alternative.setAttribute("aria-live", "off");
    this.alternative.id = `${props().id}-alternative`;
    box.append(canvas, this.tip, this.notice, this.alternative);
    this.tip.hidden = true;
    this.map = new maplibregl.Map({
      container: canvas,
      style: this.baseStyle(props().base_map),
      center: [121.87, 29.48],
      zoom: 9,
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
    this.map.addSource(spec.id, { type: "geojson", data: EMPTY, maxzoom: 16, tolerance: 0.3, buffer: 32 });
    this.paintLayers(spec);
    if (!spec.url && !spec.data) {
      this.accept(spec, { ids: [], titles: [], bounds: null, features: [] });
      return;
    }
    void this.fetch(spec);
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
    this.loaded.set(spec.id, {
      spec,
      ids: got.ids,
      index: new Map(got.ids.map((id, k) => [id, k])),
      titles: got.titles,
      values: new Array<number | null>(got.ids.length).fill(null),
      counts: new Map([[null, got.ids.length]]),
      bounds: got.bounds,
    });
    if (!this.fitted && got.bounds) this.fit(got.bounds, 15); // before the data, so that only tiles in view are cut
    (this.map.getSource(spec.id) as GeoJSONSource).setData({ type: "FeatureCollection", features: got.features });
    for (const update of this.waiting.get(spec.id) ?? []) this.apply(update);
    this.waiting.delete(spec.id);
    this.select(this.selected);
    this.draw();
    this.map.once("idle", () => {
      if (!this.gone) this.props().setProps?.({ ready: true });
    });
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
    this.loaded.set(spec.id, { spec, ids: [], index: new Map(), titles: [], values: [], counts: new Map(), bounds: spec.bounds });
    if (!this.fitted) this.fit(spec.bounds, 15);
  }

  private paintLayers(spec: LayerSpec): void {
    const { id } = spec;
    const colour = colourOf(spec.style);
    const layout = { visibility: this.visibility(spec) };
    const none: FilterSpecification = ["==", ["id"], -1];
    const mark = dark() ? "#ffffff" : "#101820";
    if (spec.kind === "line") {
      // Round ends cost three times the triangles: only near by, where they show.
      const ends = ["step", ["zoom"], "butt", 14.5, "round"];
      const line = { "line-cap": ends, "line-join": ["step", ["zoom"], "bevel", 14.5, "round"], "line-sort-key": ["get", "r"], ...layout };
      this.map.addLayer({ id: `${id}-selected`, type: "line", source: id, filter: none, layout, paint: { "line-color": mark, "line-width": 9, "line-opacity": 0.85 } });
      this.map.addLayer({ id: `${id}-line`, type: "line", source: id, layout: line as never, paint: { "line-color": colour, "line-width": widthOf(spec), "line-opacity": spec.opacity } });
    } else if (spec.kind === "polygon") {
      this.map.addLayer({ id: `${id}-fill`, type: "fill", source: id, layout, paint: { "fill-color": colour, "fill-opacity": spec.opacity, "fill-antialias": false } });
      this.map.addLayer({ id: `${id}-line`, type: "line", source: id, layout, paint: { "line-color": spec.outline ?? (dark() ? "#6c8296" : "#7d8c9a"), "line-width": spec.width, "line-opacity": 0.7 } });
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
      id: `${spec.id}-label`, type: "symbol", source: spec.id, minzoom: spec.kind === "line" ? 14 : 11, layout: layout as never,
      paint: { "text-color": dark() ? "#e6edf3" : "#1d2a36", "text-halo-color": dark() ? "#0f1a24" : "#ffffff", "text-halo-width": 1.6 },
    });
  }

  private visibility(spec: LayerSpec): "visible" | "none" {
    return (this.shown.get(spec.id) ?? spec.visible) ? "visible" : "none";
  }

  private repaint(spec: LayerSpec): void {
    const loaded = this.loaded.get(spec.id);
    if (loaded) loaded.spec = spec;
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
    for (const part of PARTS) if (this.map.getLayer(layer + part)) this.map.setLayoutProperty(layer + part, "visibility", visible ? "visible" : "none");
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
  }

  private put(layer: Loaded, k: number, value: number | null): void {
    if (k < 0 || k >= layer.ids.length) return;
    const old = layer.values[k] ?? null;
    if (old === value) return;
    layer.values[k] = value;
    layer.counts.set(old, (layer.counts.get(old) ?? 1) - 1);
    layer.counts.set(value, (layer.counts.get(value) ?? 0) + 1);
    this.map.setFeatureState({ source: layer.spec.id, id: k }, { v: value });
  }

  private replace(layer: Loaded, got: Decoded): void {
    this.map.removeFeatureState({ source: layer.spec.id });
    layer.ids = got.ids;
    layer.index = new Map(got.ids.map((id, k) => [id, k]));
    layer.titles = got.titles;
    layer.values = new Array<number | null>(got.ids.length).fill(null);
    layer.counts = new Map([[null, got.ids.length]]);
    (this.map.getSource(layer.spec.id) as GeoJSONSource).setData({ type: "FeatureCollection", features: got.features });
  }

  private points(layer: Loaded, set: PointSet): void {
    this.replace(layer, {
      ids: set.ids,
      titles: set.title ?? [],
      bounds: null,
      features: set.ids.map((_, k) => ({
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
      if (!this.map.getLayer(`${id}-selected`)) continue;
      const k = selected?.layer === id ? (layer.index.get(selected.id) ?? -1) : -1;
      this.map.setFilter(`${id}-selected`, ["==", ["id"], k]);
    }
  }

  fit(bounds: [number, number, number, number], maxZoom = 16): void {
    this.fitted = true;
    this.map.fitBounds(bounds, { padding: 36, maxZoom, animate: false });
  }

  // --- what people do ---------------------------------------------------------------------------------------------

  private pickable(): string[] {
    return this.specs
      .filter((s) => s.pick && this.visibility(s) === "visible")
      .flatMap((s) => ["-point", "-line", "-fill"].map((p) => s.id + p))
      .filter((l) => this.map.getLayer(l));
  }

  private at(point: maplibregl.Point): MapGeoJSONFeature | undefined {
    const near: [maplibregl.PointLike, maplibregl.PointLike] = [[point.x - 5, point.y - 5], [point.x + 5, point.y + 5]];
    const found = this.map.queryRenderedFeatures(near, { layers: this.pickable() });
    const weight = (f: MapGeoJSONFeature): number => (f.layer.id.endsWith("-point") ? 0 : f.layer.id.endsWith("-line") && this.loaded.get(f.source)?.spec.kind === "line" ? 1 : 2);
    if (found.length === 0) return undefined;
    const best = found.reduce((a, b) => (weight(b) < weight(a) ? b : a));
    if (weight(best) < 2) return best;
    return this.map.queryRenderedFeatures(point, { layers: this.pickable() })[0] ?? best;
  }

  private pick(point: maplibregl.Point): void {
    const feature = this.at(point);
    const layer = feature && this.loaded.get(feature.source);
    if (!feature || !layer) return;
    const k = feature.id as number;
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
    this.map.on("error", (e) => this.say(`${this.words.failed}: ${e.error?.message ?? ""}`));
  }

  private hover(point: maplibregl.Point): void {
    const feature = this.at(point);
    const layer = feature && this.loaded.get(feature.source);
    this.map.getCanvas().style.cursor = layer ? "pointer" : "";
    if (!feature || !layer) {
      this.tip.hidden = true;
      return;
    }
    const k = feature.id as number;
    const value = labelOf(layer.spec.style, layer.values[k] ?? null, this.words.missing);
    const title = layer.titles[k] || (feature.properties["t"] as string) || layer.ids[k] || "";
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

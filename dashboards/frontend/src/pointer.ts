// What people do on the map with pointer and keyboard: look at what lies under the pointer, pick it, pick the centre with Enter.
import type * as maplibregl from "maplibre-gl";
import type { Held } from "./held";
import { labelOf } from "./paint";
import { element } from "./panel";
import type { LayerSpec, MapClick, MapWords } from "./types";

const NEAR = 5; // pixels

interface Found {
  layer: Held;
  k: number;
}

export interface PointerHooks {
  open: () => LayerSpec[]; // layers that can be picked, lowest first
  held: (id: string) => Held | undefined;
  picked: (click: MapClick) => void;
}

export class Pointer {
  readonly tip = element("div", "xm-tip");
  private clicks = 0;

  constructor(
    private readonly map: maplibregl.Map,
    private readonly box: HTMLElement,
    private readonly words: MapWords,
    private readonly hooks: PointerHooks,
  ) {
    this.tip.hidden = true;
    const canvas = map.getCanvas();
    map.on("click", (e) => this.pick(e.point));
    map.on("mousemove", (e) => this.hover(e.point));
    map.on("mouseout", () => (this.tip.hidden = true));
    canvas.addEventListener("keydown", (e) => {
      if (e.key === "Enter") this.pick(map.project(map.getCenter()));
    });
    canvas.addEventListener("focus", () => box.classList.toggle("xm-focus", canvas.matches(":focus-visible")));
    canvas.addEventListener("blur", () => box.classList.remove("xm-focus"));
  }

  // What lies at a place: a point before a line before an area, the topmost first.
  private at(point: maplibregl.Point): Found | undefined {
    const open = this.hooks.open();
    const near: [maplibregl.PointLike, maplibregl.PointLike] = [[point.x - NEAR, point.y - NEAR], [point.x + NEAR, point.y + NEAR]];
    const found = this.rendered(open, "-point", near);
    if (found) return found;
    for (const spec of [...open].reverse()) {
      const layer = this.hooks.held(spec.id);
      const k = layer?.lines?.nearest(point, NEAR) ?? -1;
      if (layer && k >= 0) return { layer, k };
    }
    return this.rendered(open, "-fill", point);
  }

  private rendered(open: LayerSpec[], part: string, where: Parameters<maplibregl.Map["queryRenderedFeatures"]>[0]): Found | undefined {
    const layers = open.map((s) => s.id + part).filter((l) => this.map.getLayer(l)?.type !== undefined);
    const feature = layers.length ? this.map.queryRenderedFeatures(where, { layers })[0] : undefined;
    const layer = feature && this.hooks.held(feature.source);
    return layer && { layer, k: feature.id as number };
  }

  private pick(point: maplibregl.Point): void {
    const found = this.at(point);
    if (!found) return;
    const { layer, k } = found;
    const place = this.map.unproject(point);
    this.hooks.picked({
      layer: layer.spec.id, id: layer.ids[k]!, title: layer.titles[k] ?? "", value: layer.values[k] ?? null,
      lon: place.lng, lat: place.lat, n: ++this.clicks,
    });
  }

  private hover(point: maplibregl.Point): void {
    const found = this.at(point);
    this.map.getCanvas().style.cursor = found ? "pointer" : "";
    this.tip.hidden = !found;
    if (!found) return;
    const { layer, k } = found;
    const value = labelOf(layer.spec.style, layer.values[k] ?? null, this.words.missing);
    const title = layer.titles[k] || layer.ids[k] || "";
    this.tip.replaceChildren(element("strong", "", title), element("span", "", value));
    const left = Math.min(point.x + 14, this.box.clientWidth - this.tip.offsetWidth - 8);
    this.tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(point.y + 14)}px)`;
  }
}

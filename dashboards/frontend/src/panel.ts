// Legend, layer switcher and text alternative beside the canvas: plain HTML, reachable by keyboard.
import { dark, labelOf, missingOf } from "./paint";
import type { LayerSpec, MapWords } from "./types";

export interface PanelHooks {
  toggle: (layer: string, visible: boolean) => void;
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  text = "",
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  node.className = className;
  if (text) node.textContent = text;
  return node;
}

function swatch(spec: LayerSpec, colour: string): HTMLElement {
  const mark = element("span", `xm-swatch xm-swatch-${spec.kind}`);
  mark.style.setProperty("--colour", colour);
  mark.setAttribute("aria-hidden", "true");
  return mark;
}

function rampBar(spec: LayerSpec): HTMLElement {
  const box = element("div", "xm-ramp");
  if (spec.style.kind !== "ramp") return box;
  const { stops, unit } = spec.style;
  const low = stops[0]!.value;
  const high = stops[stops.length - 1]!.value;
  const bar = element("div", "xm-ramp-bar");
  const parts = stops.map((s) => `${s.colour} ${(((s.value - low) / (high - low || 1)) * 100).toFixed(1)}%`);
  bar.style.background = `linear-gradient(to right, ${parts.join(", ")})`;
  const ends = element("div", "xm-ramp-ends");
  ends.append(element("span", "", stops[0]!.label ?? `${low}`), element("span", "xm-unit", unit));
  ends.append(element("span", "", stops[stops.length - 1]!.label ?? `${high}`));
  box.append(bar, ends);
  return box;
}

function entries(spec: LayerSpec, counts: Map<number | null, number>, words: MapWords): HTMLElement {
  const box = element("div", "xm-entries");
  const style = spec.style;
  if (style.kind === "ramp") {
    box.append(rampBar(spec));
  } else if (style.kind === "classes") {
    for (const item of style.classes) {
      const row = element("div", "xm-entry");
      row.append(swatch(spec, (dark() && item.colour_dark) || item.colour), element("span", "", item.label));
      row.append(element("span", "xm-count", (counts.get(item.code) ?? 0).toLocaleString()));
      box.append(row);
    }
  }
  const missing = counts.get(null) ?? 0;
  if (missing > 0 && style.kind !== "plain") {
    const row = element("div", "xm-entry");
    const label = (style.kind === "ramp" && style.missing_label) || words.missing;
    row.append(swatch(spec, missingOf(style)), element("span", "", label));
    row.append(element("span", "xm-count", missing.toLocaleString()));
    box.append(row);
  }
  return box;
}

export class Panel {
  readonly root: HTMLDetailsElement;
  private readonly body = element("div", "xm-panel-body");
  constructor(
    private readonly words: MapWords,
    private readonly hooks: PanelHooks,
  ) {
    this.root = document.createElement("details");
    this.root.className = "xm-panel";
    this.root.open = window.innerWidth > 900;
    this.root.append(element("summary", "xm-panel-title", words.legend), this.body);
  }

  draw(specs: LayerSpec[], shown: Map<string, boolean>, counts: (layer: string) => Map<number | null, number>): void {
    this.body.replaceChildren(
      ...specs
        .filter((s) => s.legend)
        .map((spec) => {
          const box = element("div", "xm-layer");
          const label = element("label", "xm-layer-title");
          const tick = element("input", "");
          tick.type = "checkbox";
          tick.checked = shown.get(spec.id) ?? spec.visible;
          tick.addEventListener("change", () => this.hooks.toggle(spec.id, tick.checked));
          label.append(tick);
          if (spec.style.kind === "plain") label.append(swatch(spec, (dark() && spec.style.colour_dark) || spec.style.colour));
          label.append(element("span", "", spec.title));
          box.append(label);
          if (tick.checked && spec.kind !== "raster") box.append(entries(spec, counts(spec.id), this.words));
          if (tick.checked && spec.kind === "raster") box.append(entries(spec, new Map(), this.words));
          return box;
        }),
    );
  }
}

// "路段：已巡 120，漏巡 7" for those who do not see the map.
export function summary(specs: LayerSpec[], counts: (layer: string) => Map<number | null, number>, words: MapWords): string {
  const [of, next, end] = document.documentElement.lang.startsWith("zh") ? ["：", "，", "；"] : [": ", ", ", "; "];
  return specs
    .filter((s) => s.kind !== "raster" && s.style.kind === "classes")
    .map((spec) => {
      const parts = [...counts(spec.id)].sort((a, b) => (a[0] ?? 1e9) - (b[0] ?? 1e9));
      const body = parts.map(([v, n]) => `${labelOf(spec.style, v, words.missing)} ${n.toLocaleString()}`).join(next);
      return `${spec.title}${of}${body || "0"}`;
    })
    .join(end);
}

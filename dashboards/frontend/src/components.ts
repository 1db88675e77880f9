// Dash components of our own, registered as window.xuncha: MapView (the map, loaded on first use), RowTable and Live (the server's stream).
import { nameLists } from "./names";
import { RowTable } from "./table";
import { keepFocus } from "./focus";
import type { Fetched, MapController } from "./map";
import type { LayerSpec, MapProps, MapWords, ReactLike, StateUpdate } from "./types";

declare const MAP_MODULE: string;
declare const WORKER_MODULE: string;

declare global {
  interface Window {
    React: ReactLike;
    xuncha: Record<string, unknown>;
    dash_clientside?: Record<string, unknown> & { set_props?: (id: string, props: Record<string, unknown>) => void };
  }
}

const PATIENCE_MS = 3000; // for geometry, before the map is shown without
const base = (document.currentScript as HTMLScriptElement).src.replace(/[^/]*$/, "");
const maps = new Map<string, MapController>();
const early = new Map<string, StateUpdate[]>();

const WORDS: MapWords = {
  layers: "图层", legend: "图例与图层", zoom_in: "放大", zoom_out: "缩小", fit: "全图", missing: "无数据", loading: "正在载入…", failed: "载入失败",
  hint: "方向键移动，加减键缩放，回车键选中地图中央的对象。", no_webgl: "此浏览器不支持 WebGL，无法显示地图。",
};

type MapModule = typeof import("./map");
let module: Promise<MapModule> | null = null;

function load(): Promise<MapModule> {
  module ??= (import(base + MAP_MODULE) as Promise<MapModule>).then((m) => {
    m.setWorker(base + WORKER_MODULE);
    return m;
  });
  return module;
}

// Geometry is fetched while the map's own script is still being read; what fails here is fetched, and told, by the map.
async function fetched(layers: LayerSpec[] | undefined): Promise<Fetched[]> {
  const wanted = (layers ?? []).filter((spec) => spec.url && spec.visible && spec.kind !== "raster" && !spec.data);
  const one = async (spec: LayerSpec): Promise<Fetched[]> => {
    const answer = await fetch(spec.url!, { credentials: "same-origin" });
    return answer.ok ? [{ spec, buffer: await answer.arrayBuffer() }] : [];
  };
  return (await Promise.all(wanted.map((spec) => one(spec).catch(() => [])))).flat();
}

function mount(box: HTMLElement, id: string, props: () => MapProps, done: (map: MapController) => void): () => void {
  let gone = false;
  const words = { ...WORDS, ...props().words };
  const late = new Promise<Fetched[]>((resolve) => window.setTimeout(() => resolve([]), PATIENCE_MS));
  Promise.all([load(), Promise.race([fetched(props().layers), late])])
    .then(([m, first]) => {
      if (gone) return;
      const map = new m.MapController(box, words, props, first);
      maps.set(id, map);
      done(map);
      for (const update of early.get(id) ?? []) map.setState(update);
      early.delete(id);
    })
    .catch((error: Error) => {
      console.warn("map", error);
      box.textContent = words.no_webgl;
    });
  return () => {
    gone = true;
    const map = maps.get(id);
    map?.destroy();
    maps.delete(id);
  };
}

function MapView(props: MapProps): unknown {
  const { useEffect, useLayoutEffect, useRef, createElement } = window.React;
  const box = useRef<HTMLElement | null>(null);
  const latest = useRef(props);
  const map = useRef<MapController | null>(null);
  latest.current = props;
  useEffect(() => {
    const unmount = mount(box.current!, props.id, () => latest.current, (made) => {
      map.current = made;
      const p = latest.current;
      if (p.layers) made.setLayers(p.layers);
      if (p.state) made.setState(p.state);
      if (p.selected) made.select(p.selected);
      if (p.fit) made.fit(p.fit.bounds, p.fit.max_zoom);
    });
    return () => {
      map.current = null;
      unmount();
    };
  }, []);
  useEffect(() => { if (props.layers) map.current?.setLayers(props.layers); }, [props.layers]);
  useLayoutEffect(() => { if (props.state) map.current?.setState(props.state); }, [props.state]);
  useEffect(() => map.current?.select(props.selected), [props.selected]);
  useEffect(() => { if (props.fit) map.current?.fit(props.fit.bounds, props.fit.max_zoom); }, [props.fit]);
  return createElement("div", {
    id: props.id, ref: box, className: `xm ${props.className ?? ""}`, style: { height: props.height ?? "100%" },
    role: "group", "aria-label": props.label,
  });
}

// --- the live stream ------------------------------------------------------------------------------------------------

interface LiveProps {
  id: string;
  url?: string | null;
  data?: unknown;
  status?: string;
  setProps?: (props: Record<string, unknown>) => void;
}

interface LiveMessage {
  maps?: Record<string, StateUpdate[]>;
  props?: Record<string, Record<string, unknown>>;
  data?: unknown;
}

const SILENCE_MS = 12_000;

function deliver(message: LiveMessage): void {
  for (const [id, updates] of Object.entries(message.maps ?? {})) {
    const map = maps.get(id);
    if (map) map.setState(updates);
    else early.set(id, [...(early.get(id) ?? []), ...updates].slice(-200));
  }
  for (const [id, props] of Object.entries(message.props ?? {})) window.dash_clientside?.set_props?.(id, props);
}

// Opens the stream, says whether it lives, and opens it anew after a silence: the server then begins with the whole state.
function listen(url: string, tell: (props: Record<string, unknown>) => void): () => void {
  let source: EventSource | null = null;
  let heard = Date.now();
  let wait = 1000;
  let retry = 0;
  let status = "";
  const say = (next: string): void => {
    if (next !== status) tell({ status: (status = next) });
  };
  const open = (): void => {
    source?.close();
    heard = Date.now();
    source = new EventSource(url, { withCredentials: true });
    const alive = (): void => {
      heard = Date.now();
      wait = 1000;
      say("live");
    };
    source.addEventListener("beat", alive);
    source.addEventListener("state", (event) => {
      alive();
      const message = JSON.parse((event as MessageEvent<string>).data) as LiveMessage;
      deliver(message);
      if (message.data !== undefined) tell({ data: message.data });
    });
    source.onerror = again;
  };
  const again = (): void => {
    say("lost");
    source?.close();
    window.clearTimeout(retry);
    retry = window.setTimeout(open, wait);
    wait = Math.min(wait * 2, 15_000);
  };
  const watch = window.setInterval(() => { if (Date.now() - heard > SILENCE_MS) again(); }, 2000);
  const online = (): void => { wait = 1000; again(); };
  window.addEventListener("online", online);
  window.addEventListener("offline", again);
  say("connecting");
  open();
  return () => {
    window.clearInterval(watch);
    window.clearTimeout(retry);
    window.removeEventListener("online", online);
    window.removeEventListener("offline", again);
    source?.close();
  };
}

function Live(props: LiveProps): unknown {
  const { useEffect, useRef, createElement } = window.React;
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    if (!props.url) return undefined;
    return listen(props.url, (out) => latest.current.setProps?.(out));
  }, [props.url]);
  return createElement("span", { id: props.id, hidden: true, "data-status": props.status });
}

window.xuncha = { MapView, RowTable, Live };
nameLists();
keepFocus();

// --- the shell: theme switch, and back to the sign-in page when the session has ended ------------------------------------

document.addEventListener("click", (event) => {
  if (!(event.target as Element).closest("#theme-button")) return;
  const root = document.documentElement;
  root.dataset["theme"] = root.dataset["theme"] === "dark" ? "light" : "dark";
  document.cookie = `xuncha_theme=${root.dataset["theme"]}; path=/; max-age=31536000; SameSite=Lax`;
});

// The manager's steps stand in the browser's history. Back leads to an address of the page that is shown, of which the router is not told.
window.addEventListener("popstate", () => {
  if (location.pathname === "/manager" && document.getElementById("manager-controls") !== null) location.reload();
});

const ask = window.fetch.bind(window);
window.fetch = async (...request: Parameters<typeof fetch>): Promise<Response> => {
  const answer = await ask(...request);
  if (answer.status !== 401 || !answer.url.startsWith(location.origin)) return answer;
  location.assign(`/login?ended=1&next=${encodeURIComponent(location.pathname + location.search)}`);
  return new Promise<Response>(() => undefined); // nobody is to make something of that answer meanwhile
};

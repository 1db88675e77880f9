// Builds src/ into ../static: content-hashed names, gzip and brotli beside each file, a manifest that Python reads.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.env.XUNCHA_STATIC ?? join(here, "..", "static");
const common = { bundle: true, minify: true, write: false, target: "es2022", legalComments: "none", absWorkingDir: here };
const manifest = {};

async function put(name, bytes, { compress = true } = {}) {
  const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  const file = name.replace(/(\.[^.]+)$/, `-${digest}$1`);
  await mkdir(dirname(join(out, file)), { recursive: true });
  await writeFile(join(out, file), bytes);
  if (compress) {
    await writeFile(join(out, `${file}.gz`), gzipSync(bytes, { level: 9 }));
    const quality = { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    await writeFile(join(out, `${file}.br`), brotliCompressSync(bytes, { params: quality }));
  }
  manifest[name] = file;
  return file;
}

async function script(entry, options) {
  const done = await build({ ...common, entryPoints: [entry], ...options });
  return Buffer.from(done.outputFiles[0].contents);
}

// The variable font in its unicode ranges, as the package ships it; only the ranges a page uses are fetched.
async function fonts() {
  const root = join(here, "node_modules", "@fontsource-variable", "noto-sans-sc");
  let css = await readFile(join(root, "index.css"), "utf8");
  for (const name of new Set([...css.matchAll(/files\/([\w[\]-]+\.woff2)/g)].map((m) => m[1]))) {
    const file = await put(`fonts/${name}`, await readFile(join(root, "files", name)), { compress: false });
    css = css.replaceAll(`./files/${name}`, `./${file}`);
  }
  return css;
}

// Whole TrueType fonts for the PDF report, which embeds the characters that it uses.
async function reportFonts() {
  const root = join(here, "node_modules", "@expo-google-fonts", "noto-sans-sc");
  for (const [weight, name] of [["400Regular", "report-regular.ttf"], ["700Bold", "report-bold.ttf"]])
    await put(`fonts/${name}`, await readFile(join(root, weight, `NotoSansSC_${weight}.ttf`)), { compress: false });
}

await mkdir(out, { recursive: true });
const before = await readFile(join(out, "manifest.json"), "utf8").then(JSON.parse, () => ({}));
const worker = await put("worker.js", await readFile(join(here, "node_modules/maplibre-gl/dist/maplibre-gl-worker.mjs")));
const map = await put("map.js", await script("src/map.ts", { format: "esm" }));
const define = { MAP_MODULE: JSON.stringify(map), WORKER_MODULE: JSON.stringify(worker) };
await put("components.js", await script("src/components.ts", { format: "iife", define }));
// For the offline map that is exported as one file: Leaflet, its few images inside its style sheet.
await put("leaflet.js", await readFile(join(here, "node_modules/leaflet/dist/leaflet.js")));
const leaflet = await build({ ...common, entryPoints: ["node_modules/leaflet/dist/leaflet.css"], loader: { ".png": "dataurl" } });
await put("leaflet.css", Buffer.from(leaflet.outputFiles[0].contents));
await reportFonts();
const sheets = (await readdir(join(here, "css"))).filter((n) => n.endsWith(".css")).sort();
let css = await fonts();
css += await readFile(join(here, "node_modules/maplibre-gl/dist/maplibre-gl.css"), "utf8");
for (const sheet of sheets) css += await readFile(join(here, "css", sheet), "utf8");
const done = await build({ ...common, stdin: { contents: css, loader: "css", resolveDir: out }, external: ["./fonts/*"], loader: { ".svg": "dataurl" } });
await put("app.css", Buffer.from(done.outputFiles[0].contents));
// A server that is running keeps the files of the build before this one; older ones go.
const kept = new Set([...Object.values(before), ...Object.values(manifest)]);
for (const name of await readdir(out, { recursive: true })) {
  const file = name.replace(/\.(gz|br)$/, "");
  if (/-[0-9a-f]{12}\.\w+$/.test(file) && !kept.has(file)) await rm(join(out, name));
}
await writeFile(join(out, "manifest.json"), `${JSON.stringify(manifest, Object.keys(manifest).sort(), 1)}\n`);

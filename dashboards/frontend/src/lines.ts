// Lines drawn by ourselves inside MapLibre's canvas: one vertex buffer, one colour a feature in a small texture. A new state of ten
// thousand streets is one upload of 40 KB and one draw call; nothing is cut into tiles and no worker is asked.
import { MercatorCoordinate } from "maplibre-gl";
import type { CustomLayerInterface, Map as LibreMap, Point } from "maplibre-gl";
import type { Rgba } from "./paint";
import { type Flat, simplified } from "./payload";

const ROW = 1024; // features a row of the colour texture
const STRIDE = 20; // bytes a vertex: both ends of its piece, feature and rank
const FULL_DETAIL = 16; // zoom from which every vertex is drawn
const ROUND_FROM = 3; // pixels; thinner lines need no round ends

const VERTEX = `#version 300 es
in vec4 a_ends; in uint a_feature;
uniform vec2 u_offset, u_half; uniform float u_scale, u_width, u_cap, u_only;
uniform vec4 u_tint; uniform highp sampler2D u_colours;
out vec2 v_at; flat out vec2 v_size; flat out vec4 v_colour;
void main() {
  int k = int(a_feature & 0xffffffu);
  vec4 colour = u_only < 0.0 ? texelFetch(u_colours, ivec2(k & ${ROW - 1}, k / ${ROW}), 0) : vec4(1.0);
  vec2 a = a_ends.xy * u_scale + u_offset, b = a_ends.zw * u_scale + u_offset;
  float reach = length(b - a), radius = 0.5 * u_width * (u_only < 0.0 ? 1.0 + 0.45 * float(a_feature >> 24) : 1.0), edge = radius + 0.5;
  vec2 along = reach > 0.0 ? (b - a) / reach : vec2(1.0, 0.0);
  float end = float((gl_VertexID >> 1) & 1), side = float(gl_VertexID & 1) * 2.0 - 1.0, out_ = (2.0 * end - 1.0) * edge * u_cap;
  vec2 at = mix(a, b, end) + along * out_ + vec2(-along.y, along.x) * side * edge;
  v_at = vec2(end * reach + out_, side * edge);
  v_size = vec2(reach, radius);
  v_colour = vec4(colour.rgb * colour.a, colour.a) * u_tint;
  gl_Position = vec4(at.x / u_half.x, -at.y / u_half.y, 0.0, 1.0);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec2 v_at; flat in vec2 v_size; flat in vec4 v_colour; out vec4 colour;
void main() {
  float beyond = max(max(-v_at.x, v_at.x - v_size.x), 0.0);
  colour = v_colour * clamp(v_size.y + 0.5 - length(vec2(beyond, v_at.y)), 0.0, 1.0);
}`;

// What is translucent is drawn aside first, so that pieces of one line that meet do not show through each other.
const WHOLE_VERTEX = `#version 300 es
out vec2 v_at;
void main() { v_at = vec2(gl_VertexID == 1 ? 2.0 : 0.0, gl_VertexID == 2 ? 2.0 : 0.0); gl_Position = vec4(2.0 * v_at - 1.0, 0.0, 1.0); }`;
const WHOLE_FRAGMENT = `#version 300 es
precision mediump float;
in vec2 v_at; uniform sampler2D u_picture; uniform float u_opacity; out vec4 colour;
void main() { colour = texture(u_picture, v_at) * u_opacity; }`;

function compiled(gl: WebGL2RenderingContext, vertex: string, fragment: string): WebGLProgram {
  const program = gl.createProgram()!;
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]] as const) {
    const shader = gl.createShader(kind)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "a_ends");
  gl.bindAttribLocation(program, 1, "a_feature");
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "shader");
  return program;
}

// Degrees to the unit square of web mercator.
function mercator(flat: Flat): Flat {
  const xs = new Float64Array(flat.xs.length);
  const ys = new Float64Array(flat.ys.length);
  for (let k = 0; k < xs.length; k++) {
    xs[k] = flat.xs[k]! / 360 + 0.5;
    ys[k] = 0.5 - Math.log(Math.tan(Math.PI / 4 + (flat.ys[k]! * Math.PI) / 360)) / (2 * Math.PI);
  }
  return { ...flat, xs, ys };
}

class Aside {
  private readonly program: WebGLProgram;
  private readonly buffer: WebGLFramebuffer;
  private readonly picture: WebGLTexture;
  private size = "";

  constructor(private readonly gl: WebGL2RenderingContext) {
    this.program = compiled(gl, WHOLE_VERTEX, WHOLE_FRAGMENT);
    this.buffer = gl.createFramebuffer();
    this.picture = gl.createTexture();
  }

  draw(opacity: number, inside: () => void): void {
    const { gl } = this;
    const before = gl.getParameter(gl.FRAMEBUFFER_BINDING) as WebGLFramebuffer | null;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.buffer);
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
    if (this.size !== `${width}x${height}`) {
      this.size = `${width}x${height}`;
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, this.picture);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
      plain(gl);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.picture, 0);
    }
    gl.clearBufferfv(gl.COLOR, 0, [0, 0, 0, 0]);
    gl.blendEquation(gl.MAX);
    inside();
    gl.blendEquation(gl.FUNC_ADD);
    gl.bindFramebuffer(gl.FRAMEBUFFER, before);
    gl.useProgram(this.program);
    gl.bindTexture(gl.TEXTURE_2D, this.picture);
    gl.uniform1i(gl.getUniformLocation(this.program, "u_picture"), 0);
    gl.uniform1f(gl.getUniformLocation(this.program, "u_opacity"), opacity);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  free(): void {
    this.gl.deleteProgram(this.program);
    this.gl.deleteFramebuffer(this.buffer);
    this.gl.deleteTexture(this.picture);
  }
}

function plain(gl: WebGL2RenderingContext): void {
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
}

export interface LineLook {
  width: number; // pixels, of rank 0 at this zoom
  opacity: number;
  mark: Rgba; // behind the one that is selected
}

export class LineLayer implements CustomLayerInterface {
  readonly type = "custom" as const;
  readonly renderingMode = "2d" as const;
  private map: LibreMap | null = null;
  private program: WebGLProgram | null = null;
  private places: Record<string, WebGLUniformLocation | null> = {};
  private array: WebGLVertexArrayObject | null = null;
  private readonly buffers: WebGLBuffer[] = [];
  private texture: WebGLTexture | null = null;
  private aside: Aside | null = null;
  private detail = -1;
  private rows = 0; // of the texture as it is on the graphics card
  private pieces = 0;
  private firstPiece = new Uint32Array(0); // of each feature, and one past the last
  private geometry: Flat;
  private rank: number[] = [];
  private origin: [number, number] = [0, 0];
  private colours = new Uint8Array(0);
  private stale = true;
  private chosen = -1;
  shown = true;

  constructor(readonly id: string, private readonly look: (zoom: number) => LineLook, flat: Flat, rank: number[]) {
    this.geometry = flat;
    this.setGeometry(flat, rank);
  }

  setGeometry(flat: Flat, rank: number[]): void {
    this.geometry = mercator(flat);
    this.rank = rank;
    const { xs, ys } = this.geometry;
    this.origin = xs.length ? [xs[xs.length >> 1]!, ys[ys.length >> 1]!] : [0, 0];
    this.colours = new Uint8Array(4 * ROW * Math.max(1, Math.ceil(flat.parts.length / ROW)));
    this.detail = -1;
    this.stale = true;
    this.chosen = -1;
  }

  setColour(k: number, colour: Rgba): void {
    this.colours.set(colour, 4 * k);
    this.stale = true;
  }

  select(k: number): void {
    this.chosen = k;
    this.redraw();
  }

  redraw(): void {
    this.map?.triggerRepaint();
  }

  onAdd(map: LibreMap, gl: WebGL2RenderingContext): void {
    this.map = map;
    this.program = compiled(gl, VERTEX, FRAGMENT);
    for (const name of ["u_offset", "u_half", "u_scale", "u_width", "u_cap", "u_only", "u_tint", "u_colours"]) this.places[name] = gl.getUniformLocation(this.program, name);
    this.array = gl.createVertexArray();
    this.buffers.splice(0, 2, gl.createBuffer(), gl.createBuffer());
    this.texture = gl.createTexture();
    this.aside = null;
    this.rows = 0;
    this.detail = -1;
    this.stale = true;
  }

  onRemove(_map: LibreMap, gl: WebGL2RenderingContext): void {
    gl.deleteProgram(this.program);
    gl.deleteVertexArray(this.array);
    for (const buffer of this.buffers) gl.deleteBuffer(buffer);
    gl.deleteTexture(this.texture);
    this.aside?.free();
    this.map = this.aside = null;
  }

  // The vertices at the detail that a zoom needs: far out, what is smaller than half a pixel is left away.
  private fill(gl: WebGL2RenderingContext, zoom: number): void {
    const detail = Math.min(FULL_DETAIL, Math.floor(zoom) + 1);
    if (detail === this.detail) return;
    this.detail = detail;
    const { xs, ys, parts, counts } = detail === FULL_DETAIL ? this.geometry : simplified(this.geometry, 0.5 / (512 * 2 ** detail));
    const most = Math.max(0, xs.length - counts.length);
    const data = new ArrayBuffer(most * 4 * STRIDE);
    const ends = new Float32Array(data);
    const names = new Uint32Array(data);
    const order = [...parts.keys()].sort((a, b) => (this.rank[a] ?? 0) - (this.rank[b] ?? 0) || a - b);
    const starts = startsOf(parts, counts);
    this.firstPiece = new Uint32Array(2 * parts.length);
    let piece = 0;
    for (const k of order) {
      this.firstPiece[2 * k] = piece;
      let vertex = starts.vertex[k]!;
      for (let r = starts.ring[k]!; r < starts.ring[k]! + parts[k]!; r++) {
        for (let j = 1; j < counts[r]!; j++) {
          const from = vertex + j - 1;
          for (let corner = 0; corner < 4; corner++) {
            const at = (piece * 4 + corner) * (STRIDE / 4);
            ends[at] = xs[from]! - this.origin[0];
            ends[at + 1] = ys[from]! - this.origin[1];
            ends[at + 2] = xs[from + 1]! - this.origin[0];
            ends[at + 3] = ys[from + 1]! - this.origin[1];
            names[at + 4] = k | ((this.rank[k] ?? 0) << 24);
          }
          piece++;
        }
        vertex += counts[r]!;
      }
      this.firstPiece[2 * k + 1] = piece;
    }
    this.pieces = piece;
    const corners = new Uint32Array(piece * 6);
    for (let p = 0, c = 0; p < piece; p++) for (const corner of [0, 1, 2, 2, 1, 3]) corners[c++] = 4 * p + corner;
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[0]!);
    gl.bufferData(gl.ARRAY_BUFFER, names, gl.STATIC_DRAW, 0, piece * STRIDE);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 4, gl.FLOAT, false, STRIDE, 0);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_INT, STRIDE, 16);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.buffers[1]!);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
  }

  private upload(gl: WebGL2RenderingContext): void {
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    if (!this.stale) return;
    this.stale = false;
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
    const rows = this.colours.length / (4 * ROW);
    if (rows === this.rows) {
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, ROW, rows, gl.RGBA, gl.UNSIGNED_BYTE, this.colours);
      return;
    }
    this.rows = rows;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, ROW, rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, this.colours);
    plain(gl);
  }

  render(gl: WebGL2RenderingContext): void {
    const map = this.map;
    if (!map || !this.shown || this.geometry.xs.length === 0) return;
    const zoom = map.getZoom();
    const { width, opacity, mark } = this.look(zoom);
    if (opacity === 0) return;
    this.fill(gl, zoom);
    if (opacity === 1) this.draw(gl, map, zoom, width, mark);
    else (this.aside ??= new Aside(gl)).draw(opacity, () => this.draw(gl, map, zoom, width, mark));
  }

  private draw(gl: WebGL2RenderingContext, map: LibreMap, zoom: number, width: number, mark: Rgba): void {
    this.upload(gl);
    const ratio = map.getPixelRatio();
    const centre = MercatorCoordinate.fromLngLat(map.getCenter());
    const scale = 512 * 2 ** zoom * ratio;
    gl.useProgram(this.program);
    gl.bindVertexArray(this.array);
    gl.uniform1i(this.places["u_colours"]!, 0);
    gl.uniform2f(this.places["u_offset"]!, (this.origin[0] - centre.x) * scale, (this.origin[1] - centre.y) * scale);
    gl.uniform2f(this.places["u_half"]!, gl.drawingBufferWidth / 2, gl.drawingBufferHeight / 2);
    gl.uniform1f(this.places["u_scale"]!, scale);
    gl.uniform1f(this.places["u_cap"]!, width * ratio < ROUND_FROM ? 0 : 1);
    const part = (wide: number, only: number, tint: Rgba, from: number, to: number): void => {
      gl.uniform1f(this.places["u_width"]!, wide * ratio);
      gl.uniform1f(this.places["u_only"]!, only);
      gl.uniform4fv(this.places["u_tint"]!, tint);
      if (to > from) gl.drawElements(gl.TRIANGLES, 6 * (to - from), gl.UNSIGNED_INT, 24 * from);
    };
    if (this.chosen >= 0) part(Math.max(9, 2.2 * width), this.chosen, mark, this.firstPiece[2 * this.chosen]!, this.firstPiece[2 * this.chosen + 1]!);
    part(width, -1, [1, 1, 1, 1], 0, this.pieces);
    gl.bindVertexArray(null);
  }

  // The feature nearest to a place on the screen, at most `within` pixels from its edge; -1 where there is none.
  nearest(point: Point, within: number): number {
    const map = this.map;
    if (!map || !this.shown) return -1;
    const zoom = map.getZoom();
    const scale = 512 * 2 ** zoom;
    const at = MercatorCoordinate.fromLngLat(map.unproject(point));
    const { width } = this.look(zoom);
    const { xs, ys, parts, counts } = this.geometry;
    let best = -1;
    let least = Infinity;
    let vertex = 0;
    let ring = 0;
    for (let k = 0; k < parts.length; k++) {
      const reach = (within + 0.5 * width * (1 + 0.45 * (this.rank[k] ?? 0))) / scale;
      for (let r = 0; r < parts[k]!; r++, ring++) {
        const end = vertex + counts[ring]!;
        for (let j = vertex + 1; j < end; j++) {
          const d = distance(at.x, at.y, xs[j - 1]!, ys[j - 1]!, xs[j]!, ys[j]!);
          if (d <= reach && d <= least) [least, best] = [d, k];
        }
        vertex = end;
      }
    }
    return best;
  }
}

function startsOf(parts: Uint32Array, counts: Uint32Array): { ring: Uint32Array; vertex: Uint32Array } {
  const ring = new Uint32Array(parts.length);
  const vertex = new Uint32Array(parts.length);
  let r = 0;
  let v = 0;
  for (let k = 0; k < parts.length; k++) {
    ring[k] = r;
    vertex[k] = v;
    for (let j = 0; j < parts[k]!; j++) v += counts[r++]!;
  }
  return { ring, vertex };
}

function distance(x: number, y: number, ax: number, ay: number, bx: number, by: number): number {
  const dx = bx - ax;
  const dy = by - ay;
  const t = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}

// RowTable: a table whose rows come as data. Dash tells each of its components of every other one that it draws, so that a table made of
// cells that are components takes seconds; this one is a single component.
import type { ReactLike } from "./types";

interface Action { do: string; key: string }
interface Head extends Partial<Action> { text: string; look?: string; title?: string; order?: "ascending" | "descending" }
interface Cell extends Partial<Action> {
  text: string;
  look: string;
  href?: string;
  colour?: string; // a mark before the text
  low?: string; // a bar below it: surely covered, and with what is unknown
  high?: string;
}
interface RowTableProps {
  caption: string;
  heads: Head[];
  rows: Cell[][];
  clicked?: Action & { at: number };
  className?: string;
  setProps?: (props: Partial<RowTableProps>) => void;
}

export function RowTable(props: RowTableProps): unknown {
  const h = (window.React as ReactLike).createElement;
  const act = (of: Head | Cell, className: string): unknown => {
    if (of.do === undefined || of.key === undefined) return of.text;
    const clicked = { do: of.do, key: of.key };
    const onClick = (): void => props.setProps?.({ clicked: { ...clicked, at: Date.now() } });
    const title = "title" in of ? of.title : undefined;
    return h("button", { type: "button", className, title, onClick, "data-act": `${of.do === "turn" ? "sort" : of.do} ${of.key}` }, of.text);
  };
  const content = (cell: Cell): unknown => {
    if (cell.href) return h("a", { href: cell.href }, cell.text);
    if (cell.colour) return h("span", { className: "outcome", style: { "--colour": cell.colour } }, cell.text);
    return act(cell, "link-button");
  };
  const bar = (cell: Cell): unknown =>
    cell.low === undefined ? null
      : h("div", { className: "rate-bar", style: { "--low": cell.low, "--high": cell.high }, "aria-hidden": "true" }, h("i", null), h("b", null));
  const heads = props.heads.map((head, i) => h("th", { key: i, scope: "col", className: head.look, "aria-sort": head.order }, act(head, "")));
  const rows = props.rows.map((row, r) =>
    h("tr", { key: r }, ...row.map((cell, i) => h("td", { key: i, className: cell.look }, content(cell), bar(cell)))));
  return h("div", { className: props.className, tabIndex: 0, role: "region", "aria-label": props.caption, "data-focus": "" },
    h("table", { className: "data" },
      h("caption", { className: "visually-hidden" }, props.caption),
      h("thead", null, h("tr", null, ...heads)),
      h("tbody", null, ...rows)));
}

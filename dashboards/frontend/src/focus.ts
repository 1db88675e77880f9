// What the server draws anew takes the place of what was there, and with it the keyboard's place: whoever pressed a button finds himself at the
// top of the page again. Here the focus goes to the button that came in its place, or to where its page says (data-focus) that one goes on.
function nameOf(element: Element): string {
  return element.id ? `#${CSS.escape(element.id)}` : element.getAttribute("data-act") ? `[data-act="${CSS.escape(element.getAttribute("data-act") ?? "")}"]` : "";
}

const HELD_MS = 5000; // a later change of the page is none of the button's

export function keepFocus(): void {
  let last: { element: Element; name: string; at: number } | undefined;
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest("button");
    const name = button === null ? "" : nameOf(button);
    last = button !== null && name && document.activeElement === button ? { element: button, name, at: Date.now() } : undefined;
  });
  new MutationObserver(() => {
    if (last === undefined || last.element.isConnected || document.activeElement !== document.body) return;
    if (Date.now() - last.at < HELD_MS) {
      const place = document.querySelector<HTMLElement>(last.name) ?? document.querySelector<HTMLElement>("[data-focus]");
      place?.focus({ preventScroll: true });
    }
    last = undefined;
  }).observe(document.documentElement, { childList: true, subtree: true });
}

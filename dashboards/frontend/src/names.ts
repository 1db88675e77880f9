// Dash draws radio buttons as a list, and a slider's thumb, without a name: they get that of the group around them, or of the label before.
export function nameLists(): void {
  const name = (): void => {
    for (const list of document.querySelectorAll<HTMLElement>(".segmented [role=listbox]:not([aria-label])")) {
      const group = list.closest(".segmented");
      const text = group?.getAttribute("aria-label") ?? group?.closest(".field")?.querySelector(".label")?.textContent;
      if (text) list.setAttribute("aria-label", text);
    }
    for (const thumb of document.querySelectorAll<HTMLElement>("[role=group][aria-label] .dash-slider-thumb:not([aria-label])")) {
      thumb.setAttribute("aria-label", thumb.closest("[role=group]")?.getAttribute("aria-label") ?? "");
    }
  };
  new MutationObserver(name).observe(document.documentElement, { childList: true, subtree: true });
  name();
}

// Dash draws radio buttons as a list without a name: it gets that of the group around it.
export function nameLists(): void {
  const name = (): void => {
    for (const list of document.querySelectorAll<HTMLElement>(".segmented[aria-label] [role=listbox]:not([aria-label])")) {
      list.setAttribute("aria-label", list.closest(".segmented")?.getAttribute("aria-label") ?? "");
    }
  };
  new MutationObserver(name).observe(document.documentElement, { childList: true, subtree: true });
  name();
}

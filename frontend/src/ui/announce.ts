/** One polite live region for the whole page. Messages of the same half second are joined. */
let pending: string[] = [];
let timer: number | undefined;

function region(): HTMLElement {
  let node = document.getElementById("live-region");
  if (!node) {
    node = document.createElement("div");
    node.id = "live-region";
    node.className = "vh";
    node.setAttribute("aria-live", "polite");
    node.setAttribute("role", "status");
    document.body.append(node);
  }
  return node;
}

export function announce(message: string): void {
  const node = region();
  pending.push(message);
  if (timer !== undefined) return;
  timer = window.setTimeout(() => {
    timer = undefined;
    const shown = pending.slice(-4).join(" ");
    pending = [];
    node.textContent = shown;
  }, 500);
}

/** Puts text on the clipboard; rejects where the browser does not let us. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch {
    // Over plain HTTP from another host there is no clipboard API; the old way still works there.
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.setAttribute('readonly', '');
  area.style.position = 'fixed';
  area.style.opacity = '0';
  const focused = document.activeElement;
  // Inside an open dialog, whose focus trap takes the focus back from anywhere else.
  const place = focused?.closest('[role="dialog"]') ?? document.body;
  place.append(area);
  try {
    area.select();
    // Deprecated, and the only way there is without a secure context.
    if (!document.execCommand('copy')) throw new Error('the browser does not let the page copy');
  } finally {
    area.remove();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  }
}

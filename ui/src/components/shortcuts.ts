/** The keys that do something now. One list for the whole page, so that the help can show what really works. */

export interface Shortcut {
  /** As `KeyboardEvent.key` names it: `t`, `?`, `ArrowDown`, `N` (with shift). Several keys may do the same. */
  keys: string | readonly string[];
  /** What it does, for the help: “Next match”. */
  does: string;
  run: (event: KeyboardEvent) => void;
}

export interface ShortcutGroup {
  /** Where these work: “Everywhere”, “Waterfall”. */
  title: string;
  shortcuts: readonly Shortcut[];
}

let groups: readonly ShortcutGroup[] = [];
const listeners = new Set<() => void>();

export function shortcutGroups(): readonly ShortcutGroup[] {
  return groups;
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Adds a group until the returned function is called. Of two groups with the same key, the one added last has it. */
export function addGroup(group: ShortcutGroup): () => void {
  if (groups.length === 0) document.addEventListener('keydown', onKey);
  groups = [...groups, group];
  for (const listener of listeners) listener();
  return () => {
    groups = groups.filter((other) => other !== group);
    if (groups.length === 0) document.removeEventListener('keydown', onKey);
    for (const listener of listeners) listener();
  };
}

export function keysOf(shortcut: Shortcut): readonly string[] {
  return typeof shortcut.keys === 'string' ? [shortcut.keys] : shortcut.keys;
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isForAnother(event)) return;
  for (const group of groups.toReversed()) {
    const shortcut = group.shortcuts.find((shortcut) => keysOf(shortcut).includes(event.key));
    if (!shortcut) continue;
    event.preventDefault();
    shortcut.run(event);
    return;
  }
}

/** Whoever types, chooses or answers a dialog means that. */
function isForAnother(event: KeyboardEvent): boolean {
  const target = event.target;
  if (event.isComposing || !(target instanceof HTMLElement)) return event.isComposing;
  if (target.isContentEditable || target.closest('input, textarea, select, [role="dialog"], [role="menu"]'))
    return true;
  // Enter and space press what has the focus; arrows move in lists of tabs and choices.
  if ((event.key === 'Enter' || event.key === ' ') && target.closest('a, button, summary, [role="button"]'))
    return true;
  return (
    event.key.startsWith('Arrow') && target.closest('[role="tablist"], [role="listbox"], [role="radiogroup"]') !== null
  );
}

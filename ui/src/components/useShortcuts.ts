import { useEffect, useRef } from 'react';
import { addGroup, type Shortcut } from '~/components/shortcuts';

export type { Shortcut } from '~/components/shortcuts';

/**
 * Keys that work while the component is on the screen, outside text boxes and dialogs; the help (`?`) lists them under
 * `title`. What `run` does may change with every render; the keys and words as well, though that rebuilds the list.
 */
export function useShortcuts(title: string, shortcuts: readonly Shortcut[]): void {
  const latest = useRef(shortcuts);
  useEffect(() => {
    latest.current = shortcuts;
  });
  const shape = JSON.stringify(shortcuts.map(({ keys, does }) => [keys, does]));
  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for the shortcuts, whose functions are new with every render.
  useEffect(() => {
    if (latest.current.length === 0) return;
    return addGroup({
      title,
      shortcuts: latest.current.map((shortcut, index) => ({
        ...shortcut,
        run: (event) => latest.current[index]?.run(event),
      })),
    });
  }, [title, shape]);
}

import { ActionIcon, Kbd, Tooltip } from '@mantine/core';
import { IconKeyboard } from '@tabler/icons-react';
import { useState, useSyncExternalStore } from 'react';
import { Dialog } from '~/components/Dialog';
import { keysOf, type Shortcut, shortcutGroups, subscribe } from '~/components/shortcuts';
import { useShortcuts } from '~/components/useShortcuts';
import classes from './Shell.module.css';

/** The keys that work right now, shown on `?`. */
export function KeyboardHelp() {
  const [opened, setOpened] = useState(false);
  useShortcuts('Everywhere', [{ keys: '?', does: 'Show these keys', run: () => setOpened(true) }]);
  return (
    <>
      <Tooltip label="Keyboard (?)" openDelay={300} withArrow>
        <ActionIcon variant="subtle" color="gray" size={30} aria-label="Keyboard" onClick={() => setOpened(true)}>
          <IconKeyboard size={18} aria-hidden />
        </ActionIcon>
      </Tooltip>
      <Dialog title="Keyboard" opened={opened} onClose={() => setOpened(false)} size="lg">
        <Groups />
      </Dialog>
    </>
  );
}

function Groups() {
  const groups = useSyncExternalStore(subscribe, shortcutGroups);
  const byTitle = new Map<string, Shortcut[]>();
  for (const { title, shortcuts } of groups) byTitle.set(title, [...(byTitle.get(title) ?? []), ...shortcuts]);
  return (
    <div className={classes.keys}>
      {[...byTitle].map(([title, shortcuts]) => (
        <section key={title} aria-label={title}>
          <h3>{title}</h3>
          <dl>
            {shortcuts.map((shortcut) => (
              <div key={shortcut.does}>
                <dt>{shortcut.does}</dt>
                <dd>
                  {keysOf(shortcut).map((key) => (
                    <Kbd key={key} size="xs">
                      {nameOf(key)}
                    </Kbd>
                  ))}
                </dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}

const NAMES: Record<string, string> = {
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
  Escape: 'Esc',
  PageUp: 'Page up',
  PageDown: 'Page down',
  ' ': 'Space',
};

function nameOf(key: string): string {
  return NAMES[key] ?? (/^[A-Z]$/.test(key) ? `Shift+${key}` : key);
}

import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { shortcutGroups } from '~/components/shortcuts';
import { type Shortcut, useShortcuts } from '~/components/useShortcuts';

function Keys({ title, shortcuts }: { title: string; shortcuts: Shortcut[] }) {
  useShortcuts(title, shortcuts);
  return null;
}

describe('useShortcuts', () => {
  it('runs what belongs to the key, as it is at that moment', async () => {
    const first = vi.fn();
    const second = vi.fn();
    const { rerender } = render(<Keys title="Screen" shortcuts={[{ keys: ['n', 'N'], does: 'Next', run: first }]} />);
    rerender(<Keys title="Screen" shortcuts={[{ keys: ['n', 'N'], does: 'Next', run: second }]} />);
    await userEvent.keyboard('nNx');
    expect(first).not.toHaveBeenCalled();
    expect(second).toHaveBeenCalledTimes(2);
  });

  it('leaves the keys to whoever types and to the browser', async () => {
    const run = vi.fn();
    render(
      <>
        <Keys title="Screen" shortcuts={[{ keys: 'r', does: 'Refresh', run }]} />
        <input aria-label="Filter" />
      </>,
    );
    await userEvent.type(screen.getByLabelText('Filter'), 'r');
    await userEvent.tab();
    await userEvent.keyboard('{Control>}r{/Control}');
    expect(run).not.toHaveBeenCalled();
    expect(screen.getByLabelText('Filter')).toHaveValue('r');
  });

  it('lets Enter press the link that has the focus', async () => {
    const run = vi.fn();
    const pressed = vi.fn();
    render(
      <>
        <Keys title="List" shortcuts={[{ keys: 'Enter', does: 'Open', run }]} />
        <button type="button" onClick={pressed}>
          Press
        </button>
      </>,
    );
    await userEvent.tab();
    await userEvent.keyboard('{Enter}');
    expect(pressed).toHaveBeenCalledOnce();
    expect(run).not.toHaveBeenCalled();
  });

  it('gives a key to the group that came last, and back when that leaves', async () => {
    const page = vi.fn();
    const panel = vi.fn();
    render(<Keys title="Page" shortcuts={[{ keys: 'Escape', does: 'Up', run: page }]} />);
    const { unmount } = render(<Keys title="Panel" shortcuts={[{ keys: 'Escape', does: 'Close', run: panel }]} />);
    expect(shortcutGroups().map((group) => group.title)).toEqual(['Page', 'Panel']);
    await userEvent.keyboard('{Escape}');
    unmount();
    await userEvent.keyboard('{Escape}');
    expect(panel).toHaveBeenCalledOnce();
    expect(page).toHaveBeenCalledOnce();
  });
});

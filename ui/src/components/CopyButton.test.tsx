import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { CopyButton } from '~/components/CopyButton';
import { renderInTheme } from '~/test/render';

describe('CopyButton', () => {
  it('copies and says so', async () => {
    const user = userEvent.setup();
    renderInTheme(<CopyButton value={() => '4bf92f'} label="Copy trace id" />);
    await user.click(screen.getByRole('button', { name: 'Copy trace id' }));
    expect(await navigator.clipboard.readText()).toBe('4bf92f');
    expect(await screen.findByRole('status')).toHaveTextContent('Copied');
  });

  it('falls back to the old way where there is no clipboard, and says when that fails, too', async () => {
    const user = userEvent.setup();
    vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new Error('not allowed'));
    const copy = vi.fn(() => true);
    document.execCommand = copy;
    renderInTheme(<CopyButton value="x" label="Copy" />);
    await user.click(screen.getByRole('button', { name: 'Copy' }));
    expect(await screen.findByRole('status')).toHaveTextContent('Copied');
    copy.mockReturnValue(false);
    await user.click(screen.getByRole('button', { name: 'Copy' }));
    expect(await screen.findByText('The browser does not allow copying here')).toBeInTheDocument();
    expect(document.querySelector('textarea')).toBeNull();
  });
});

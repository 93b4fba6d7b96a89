import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import { Outside } from '~/components/Outside';
import { renderInTheme } from '~/test/render';

describe('Outside', () => {
  it('shows markup as text', () => {
    const { container } = renderInTheme(<Outside text={'<img src=x onerror=alert(1)>\u202e'} />);
    expect(container.querySelector('img')).toBeNull();
    expect(container.querySelector('bdi')).toHaveTextContent('<img src=x onerror=alert(1)>⟨U+202E⟩');
  });

  it('cuts what is long until asked for all', async () => {
    const { container } = renderInTheme(<Outside text={'x'.repeat(100_000)} />);
    const text = () => container.querySelector('bdi')?.textContent?.length;
    expect(text()).toBe(2_000);
    await userEvent.click(screen.getByRole('button', { name: 'Show all 100 k characters' }));
    expect(text()).toBe(100_000);
    await userEvent.click(screen.getByRole('button', { name: 'Show less' }));
    expect(text()).toBe(2_000);
  });

  it('never puts megabytes on the page', async () => {
    const { container } = renderInTheme(<Outside text={'x'.repeat(3_000_000)} />);
    await userEvent.click(screen.getByRole('button', { name: /Show all/ }));
    expect(container.querySelector('bdi')?.textContent).toHaveLength(200_000);
    expect(container).toHaveTextContent('2.8 M more characters, too many to show');
  });

  it('keeps a line one line', () => {
    const { container } = renderInTheme(<Outside line limit={5} text={'a\nb\nc\nd'} />);
    expect(container.querySelector('bdi')).toHaveTextContent('a␊b␊c…');
    expect(screen.queryByRole('button')).toBeNull();
  });
});

import { screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { ScreenError } from '~/components/ScreenError';
import { renderInTheme } from '~/test/render';

describe('ScreenError', () => {
  it.each([
    'Failed to fetch dynamically imported module: http://127.0.0.1/assets/Home-abc.js',
    'error loading dynamically imported module: http://127.0.0.1/assets/Home-abc.js',
    'Importing a module script failed.',
    'Unable to preload CSS for /assets/Home-abc.css',
  ])('offers to load the page again after %j', (message) => {
    renderInTheme(<ScreenError error={new TypeError(message)} reset={() => undefined} />);
    expect(screen.getByRole('button', { name: 'Load the page again' })).toBeInTheDocument();
  });

  it('says other errors as they are', () => {
    renderInTheme(<ScreenError error={new Error('no such thing')} reset={() => undefined} />);
    expect(screen.getByRole('alert')).toHaveTextContent('no such thing');
    expect(screen.getByRole('button', { name: 'Try again' })).toBeInTheDocument();
  });
});

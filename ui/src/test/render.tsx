import { MantineProvider } from '@mantine/core';
import { type RenderResult, render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { theme } from '~/app/theme';

/** Renders with what every component may expect around it. */
export function renderInTheme(node: ReactNode): RenderResult {
  return render(node, {
    wrapper: ({ children }) => (
      <MantineProvider theme={theme} env="test">
        {children}
      </MantineProvider>
    ),
  });
}

import '@mantine/core/styles.css';
import '~/app/global.css';
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { cssVariables } from '~/app/colors';
import { createAppRouter } from '~/app/router';
import { COLOR_SCHEME_KEY, theme } from '~/app/theme';

const root = document.getElementById('root');
if (!root) throw new Error('the page has no #root');

// The policy of the page allows styles with the nonce of this answer only.
const nonce = document.querySelector<HTMLElement>('[nonce]')?.nonce ?? '';

const router = createAppRouter();

createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      defaultColorScheme="auto"
      colorSchemeManager={localStorageColorSchemeManager({ key: COLOR_SCHEME_KEY })}
      getStyleNonce={() => nonce}
    >
      <RouterProvider router={router} />
    </MantineProvider>
  </StrictMode>,
);

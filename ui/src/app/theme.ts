import { createTheme, type MantineColorsTuple } from '@mantine/core';

/** The leaf's green. */
const leaf: MantineColorsTuple = [
  '#eaf9f0',
  '#d8efe0',
  '#b0dec1',
  '#85cca0',
  '#61bd84',
  '#4ab371',
  '#3cae67',
  '#2c9857',
  '#21874b',
  '#0f753d',
];

export const theme = createTheme({
  primaryColor: 'leaf',
  primaryShade: { light: 8, dark: 8 },
  autoContrast: true,
  colors: { leaf },
  // Dense: 14 px for text, less in tables.
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  defaultRadius: 'sm',
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
  cursorType: 'pointer',
  focusRing: 'auto',
});

/** Where the choice of dark, light or system is kept; `public/theme.js` reads it before the first paint. */
export const COLOR_SCHEME_KEY = 'trefoil-color-scheme';

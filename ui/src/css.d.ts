import 'react';

declare module 'react' {
  interface CSSProperties {
    /** Variables for the component's own style sheet. */
    [variable: `--${string}`]: string | number | undefined;
  }
}

import { Outlet, useLocation } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { ConnectionBanner } from '~/app/ConnectionBanner';
import { Header } from '~/app/Header';
import { TenantScope } from '~/app/TenantScope';
import { TimeProblems } from '~/app/TimeProblems';
import { TimeProvider } from '~/time/TimeProvider';
import { useTimeSearch } from '~/time/useTime';
import classes from './Shell.module.css';

/** The frame around every screen. */
export function Shell() {
  const { tenant } = useTimeSearch();
  const main = useRef<HTMLElement>(null);
  useFocusOnArrival(main);
  return (
    <TenantScope key={tenant ?? ''} tenant={tenant}>
      <TimeProvider>
        <button type="button" className={classes.skip} onClick={() => main.current?.focus()}>
          Skip to the content
        </button>
        <Header />
        <ConnectionBanner />
        <main ref={main} tabIndex={-1} className={classes.main}>
          <TimeProblems />
          <Outlet />
        </main>
      </TimeProvider>
    </TenantScope>
  );
}

/** Another screen starts at its beginning, for those who use the keyboard or listen. */
function useFocusOnArrival(main: React.RefObject<HTMLElement | null>): void {
  const pathname = useLocation({ select: (location) => location.pathname });
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    main.current?.focus({ preventScroll: true });
  }, [pathname, main]);
}

import { IconPlugConnected, IconPlugConnectedX } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { ApiError } from '~/api/http';
import classes from './Shell.module.css';

/** How long the good news stands. */
const SHOWN_FOR = 4_000;

/** Says when nobody answers, and when somebody does again. What is on the screen stays meanwhile. */
export function ConnectionBanner() {
  const isAway = useIsAway();
  const wasAway = useRef(false);
  const [isBack, setIsBack] = useState(false);

  useEffect(() => {
    if (isAway) {
      wasAway.current = true;
      setIsBack(false);
      return;
    }
    if (!wasAway.current) return;
    wasAway.current = false;
    setIsBack(true);
    const timer = setTimeout(() => setIsBack(false), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [isAway]);

  return (
    <div role="status" className={classes.connection}>
      {isAway && (
        <p data-state="away">
          <IconPlugConnectedX size={16} aria-hidden />
          Trefoil does not answer. What you see is the last it said; it is asked again every few seconds.
        </p>
      )}
      {isBack && (
        <p data-state="back">
          <IconPlugConnected size={16} aria-hidden />
          Trefoil answers again.
        </p>
      )}
    </div>
  );
}

/** Whether a question that is on the screen found nobody the last time it was asked. */
function useIsAway(): boolean {
  const cache = useQueryClient().getQueryCache();
  return useSyncExternalStore(
    (changed) => cache.subscribe(changed),
    () =>
      cache
        .getAll()
        .some(
          (query) => query.isActive() && query.state.error instanceof ApiError && query.state.error.kind === 'away',
        ),
  );
}

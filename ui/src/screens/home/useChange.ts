import { useNavigate } from '@tanstack/react-router';
import { useCallback } from 'react';
import type { HomeSearch } from '~/screens/home/search';

type Change = { [Key in keyof HomeSearch]?: HomeSearch[Key] | undefined };

/** Changes a part of what the address bar says about the first screen; what is looked at stays where it is. */
export function useChange() {
  const navigate = useNavigate({ from: '/' });
  return useCallback(
    (change: Change, { replace = false } = {}) =>
      void navigate({ to: '/', search: (search) => ({ ...search, ...change }), replace, resetScroll: false }),
    [navigate],
  );
}

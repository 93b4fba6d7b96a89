// Before the first paint, so that a dark screen never flashes white. The key and the values are those of app/theme.ts.
(() => {
  let choice = 'auto';
  try {
    choice = localStorage.getItem('trefoil-color-scheme') ?? 'auto';
  } catch {
    // Storage is switched off: follow the system.
  }
  const dark = choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();

/** What the server takes for a tenant's name; the rule is Mimir's and Loki's. */
export function isTenant(name: string): boolean {
  return /^[A-Za-z0-9!\-_.*'()]{1,150}$/.test(name) && name !== '.' && name !== '..';
}

import { TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { isTenant } from '~/app/tenant';
import { useStatus } from '~/app/useStatus';
import { useTimeSearch } from '~/time/useTime';
import classes from './Shell.module.css';

/** Whose data is shown, on servers that keep tenants apart. */
export function TenantInput() {
  const { tenant } = useTimeSearch();
  const { data: status } = useStatus();
  if (!status?.tenancy.enabled && !tenant) return null;
  // Another tenant in the address (Back, a link) is what stands in the box from then on.
  return <TenantForm key={tenant ?? ''} tenant={tenant ?? ''} />;
}

function TenantForm({ tenant }: { tenant: string }) {
  const navigate = useNavigate();
  const [text, setText] = useState(tenant);
  const [error, setError] = useState('');
  const apply = () => {
    const name = text.trim();
    if (name === tenant) return;
    if (name && !isTenant(name)) {
      setError("Letters, digits and ! - _ . * ' ( ) only");
      return;
    }
    navigate({ to: '.', search: (search) => ({ ...search, tenant: name || undefined }) });
  };
  return (
    <form
      className={classes.tenant}
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <TextInput
        size="xs"
        aria-label="Tenant"
        placeholder="Tenant"
        value={text}
        error={error || undefined}
        autoComplete="off"
        spellCheck={false}
        maxLength={150}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setError('');
        }}
        onBlur={apply}
      />
    </form>
  );
}

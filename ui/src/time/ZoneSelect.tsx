import { Select } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { zoneName, zoneOffset } from '~/time/format';
import { useTime } from '~/time/useTime';

/** More than anybody reads through; typing narrows them down. */
const SHOWN = 40;

/** In which zone times are shown and read. */
export function ZoneSelect() {
  const { zone, interval } = useTime();
  const navigate = useNavigate();
  const names = Intl.supportedValuesOf('timeZone').filter((name) => name !== 'UTC');
  // An address may name one that the list has under another name.
  const listed = zone === 'browser' || zone === 'utc' || names.includes(zone) ? names : [zone, ...names];
  return (
    <Select
      label="Time zone"
      description={`${zoneName(zone)} is ${zoneOffset(zone, interval.to)}`}
      inputWrapperOrder={['label', 'input', 'description']}
      size="xs"
      searchable
      allowDeselect={false}
      limit={SHOWN}
      nothingFoundMessage="No zone of that name"
      comboboxProps={{ withinPortal: false }}
      data={[
        { value: 'browser', label: `Browser: ${zoneName('browser')}` },
        { value: 'utc', label: 'UTC' },
        ...listed.map((name) => ({ value: name, label: name.replaceAll('_', ' ') })),
      ]}
      value={zone}
      onChange={(chosen) => {
        if (!chosen) return;
        navigate({ to: '.', search: (search) => ({ ...search, tz: chosen === 'browser' ? undefined : chosen }) });
      }}
    />
  );
}

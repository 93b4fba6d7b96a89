import { ActionIcon } from '@mantine/core';
import { IconMenu2, IconX } from '@tabler/icons-react';
import { Link, useLocation } from '@tanstack/react-router';
import { useState } from 'react';
import { KeyboardHelp } from '~/app/KeyboardHelp';
import { TenantInput } from '~/app/TenantInput';
import { ThemeMenu } from '~/app/ThemeMenu';
import { TraceIdBox } from '~/app/TraceIdBox';
import { TimeRangePicker } from '~/time/TimeRangePicker';
import classes from './Shell.module.css';

const SCREENS = [
  { to: '/', name: 'Services' },
  { to: '/traces', name: 'Traces' },
] as const;

/** Where one can go, and what holds for all screens: the tenant, the time, the theme. */
export function Header() {
  const pathname = useLocation({ select: (location) => location.pathname });
  // Open for one place only: going elsewhere closes it.
  const [openAt, setOpenAt] = useState<string>();
  const isOpen = openAt === pathname;
  return (
    <header className={classes.header} data-open={isOpen || undefined}>
      <Link to="/" className={classes.logo} aria-label="Trefoil" activeOptions={{ exact: true }}>
        <img src="/favicon.svg" alt="" width={22} height={22} />
        <span>Trefoil</span>
      </Link>
      <ActionIcon
        className={classes.toggle}
        variant="subtle"
        color="gray"
        size={30}
        aria-label="Menu"
        aria-expanded={isOpen}
        aria-controls="menu"
        onClick={() => setOpenAt(isOpen ? undefined : pathname)}
      >
        {isOpen ? <IconX size={18} aria-hidden /> : <IconMenu2 size={18} aria-hidden />}
      </ActionIcon>
      <div id="menu" className={classes.menu}>
        <nav aria-label="Screens" className={classes.nav}>
          {SCREENS.map(({ to, name }) => (
            <Link key={to} to={to} activeOptions={{ exact: to === '/', includeSearch: false }} className={classes.link}>
              {name}
            </Link>
          ))}
        </nav>
        <TraceIdBox onGone={() => setOpenAt(undefined)} />
        <TenantInput />
        <div className={classes.tools}>
          <KeyboardHelp />
          <ThemeMenu />
        </div>
      </div>
      <div className={classes.time}>
        <TimeRangePicker />
      </div>
    </header>
  );
}

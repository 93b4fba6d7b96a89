/** Mantine's looks with the router's links: typed addresses, preloading on intent. */

import { Anchor, type AnchorProps, Button, type ButtonProps } from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import type { ComponentProps } from 'react';

type With<Props> = Props & Omit<ComponentProps<'a'>, keyof Props>;

export const AnchorLink = createLink(function AnchorLink(props: With<AnchorProps>) {
  return <Anchor {...props} />;
});

export const ButtonLink = createLink(function ButtonLink(props: With<ButtonProps>) {
  return <Button component="a" {...props} />;
});

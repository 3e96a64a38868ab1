import { Anchor, type AnchorProps, Button, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import type { Ref } from "react";

/** A link to a page of the console, as text. */
export const TextLink = createLink(({ ref, ...props }: AnchorProps & { readonly ref?: Ref<HTMLAnchorElement> }) => (
	<Anchor ref={ref} inherit={props.size === undefined} {...props} />
));

/** The same, as a button. */
export const ButtonLink = createLink(({ ref, ...props }: ButtonProps & { readonly ref?: Ref<HTMLAnchorElement> }) => (
	<Button component="a" ref={ref} {...props} />
));

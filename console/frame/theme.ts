import { type CSSVariablesResolver, createTheme } from "@mantine/core";

/** Quiet surfaces, one accent. Every pair of text and ground keeps a contrast of 4.5 : 1 at least, in light and dark. */
export const theme = createTheme({
	primaryColor: "indigo",
	primaryShade: { light: 8, dark: 8 },
	defaultRadius: "sm",
	fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
	fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace",
	headings: { fontWeight: "600", sizes: { h1: { fontSize: "1.5rem" }, h2: { fontSize: "1.125rem" }, h3: { fontSize: "1rem" } } },
	cursorType: "pointer",
	respectReducedMotion: true,
	components: {
		Paper: { defaultProps: { withBorder: true, p: "md" } },
		Table: { defaultProps: { verticalSpacing: 6, horizontalSpacing: "sm" } },
		Select: { defaultProps: { allowDeselect: false, checkIconPosition: "right" } },
		Anchor: { defaultProps: { underline: "hover" } },
	},
});

export const resolveVariables: CSSVariablesResolver = () => ({
	variables: {},
	light: {
		"--mantine-color-body": "#f7f8fa",
		"--mantine-color-dimmed": "#555e68",
		"--mantine-color-anchor": "#364fc7",
		"--mantine-color-error": "#c92a2a",
		"--mantine-color-placeholder": "#626b75",
		"--console-surface": "#ffffff",
		"--console-line": "#e1e4e8",
		"--console-good": "#2b8a3e",
		"--console-warn": "#d9730d",
		"--console-bad": "#c92a2a",
		"--console-quiet": "#868e96",
		"--console-held": "#91a7ff",
	},
	dark: {
		"--mantine-color-body": "#14161a",
		"--mantine-color-text": "#dfe2e6",
		"--mantine-color-dimmed": "#a3abb5",
		"--mantine-color-anchor": "#a5b8ff",
		"--mantine-color-error": "#ff8787",
		"--mantine-color-placeholder": "#98a1ab",
		"--console-surface": "#1d2025",
		"--console-line": "#33383f",
		"--console-good": "#51cf66",
		"--console-warn": "#ffa94d",
		"--console-bad": "#ff8787",
		"--console-quiet": "#8b939c",
		"--console-held": "#4c5fb0",
	},
});

/** Mantine's style elements carry the nonce that the server put into this page. */
export function readNonce(): string {
	return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}

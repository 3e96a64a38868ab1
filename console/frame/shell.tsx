import { AppShell, Burger, Button, Divider, Group, ScrollArea, Stack, Text, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useMatches } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { useLiveUpdates } from "../api/live-updates.ts";
import { forgetSession, signOut, useSession } from "../api/session.ts";
import { NAVIGATION } from "../navigation.ts";
import { Status } from "./page.tsx";
import { TeamPicker } from "./team-picker.tsx";

const MAIN_ID = "main";

/** Header, navigation and the page of the address. */
export function Shell() {
	const [isOpen, { toggle, close }] = useDisclosure(false);
	// What asks for anything is new with each session, so that nobody asks for what only the one before might see.
	const { csrfToken } = useSession();
	usePageTitle();
	return (
		<>
			<SkipLink />
			<AppShell header={{ height: 56 }} navbar={{ width: 208, breakpoint: "sm", collapsed: { mobile: !isOpen } }} padding={{ base: "sm", sm: "lg" }}>
				<AppShell.Header>
					<Group h="100%" px="md" justify="space-between" wrap="nowrap">
						<Group gap="sm" wrap="nowrap">
							<Burger opened={isOpen} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={isOpen ? "Close the navigation" : "Open the navigation"} />
							<Text fw={700}>Tollgate</Text>
						</Group>
						<TeamPicker key={csrfToken} />
					</Group>
				</AppShell.Header>
				<AppShell.Navbar p="sm">
					<Navigation onChosen={close} />
				</AppShell.Navbar>
				<AppShell.Main id={MAIN_ID} tabIndex={-1}>
					<Outlet key={csrfToken} />
				</AppShell.Main>
			</AppShell>
		</>
	);
}

function SkipLink() {
	return (
		<a
			className="skip-link"
			href={`#${MAIN_ID}`}
			onClick={(event) => {
				event.preventDefault();
				document.getElementById(MAIN_ID)?.focus();
			}}
		>
			Skip to the page
		</a>
	);
}

function Navigation({ onChosen }: { readonly onChosen: () => void }) {
	return (
		<>
			<AppShell.Section grow component={ScrollArea}>
				<nav aria-label="Pages">
					{NAVIGATION.map(({ to, label }) => (
						<Link
							key={to}
							to={to}
							className="nav-link"
							activeOptions={{ exact: to === "/", includeSearch: false }}
							search={({ team }) => ({ team })}
							onClick={onChosen}
						>
							{label}
						</Link>
					))}
				</nav>
			</AppShell.Section>
			<Divider my="sm" />
			<AppShell.Section>
				<SignedIn />
			</AppShell.Section>
		</>
	);
}

function SignedIn() {
	const session = useSession();
	const client = useQueryClient();
	const isLive = useLiveUpdates();
	const leaving = useMutation({
		mutationFn: signOut,
		onSuccess: () => forgetSession(client),
	});
	return (
		<Stack gap="xs">
			<div>
				<Text size="sm" fw={600} className="name">
					{session.name}
				</Text>
				<Text size="xs" c="dimmed">
					{session.role.replace("-", " ")} · <Status tone={isLive ? "good" : "quiet"}>{isLive ? "live" : "not live"}</Status>
				</Text>
			</div>
			<Group gap="xs">
				<Button size="xs" variant="default" loading={leaving.isPending} onClick={() => leaving.mutate()}>
					Sign out
				</Button>
				<ColorSchemeSwitch />
			</Group>
			{leaving.error !== null && (
				<Text size="xs" role="alert">
					Still signed in: {leaving.error.message}
				</Text>
			)}
		</Stack>
	);
}

function ColorSchemeSwitch() {
	const { colorScheme, setColorScheme } = useMantineColorScheme();
	const next = { auto: "light", light: "dark", dark: "auto" } as const;
	return (
		<UnstyledButton fz="xs" c="dimmed" onClick={() => setColorScheme(next[colorScheme])}>
			Colors: {colorScheme === "auto" ? "system" : colorScheme}
		</UnstyledButton>
	);
}

/** The title follows the page, and whoever listens rather than looks is put at its beginning. */
function usePageTitle(): void {
	const title = useMatches({ select: (matches) => matches.at(-1)?.staticData.title ?? "Not found" });
	const isFirst = useRef(true);
	useEffect(() => {
		document.title = `${title} · Tollgate`;
		if (!isFirst.current) document.getElementById(MAIN_ID)?.focus({ preventScroll: true });
		isFirst.current = false;
	}, [title]);
}

import { Group, Paper, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useId } from "react";
import { useTeam } from "./use-team.ts";
import { useTimeZone } from "./use-time-zone.ts";

type PageProps = { readonly title: string; readonly actions?: ReactNode; readonly children: ReactNode };

/** Heading of a page, of whom it speaks and in which time zone. */
export function Page({ title, actions, children }: PageProps) {
	const team = useTeam();
	const timeZone = useTimeZone();
	return (
		<Stack gap="md">
			<Group justify="space-between" align="flex-end">
				<div>
					<Title order={1}>{title}</Title>
					<Text size="sm" c="dimmed">
						<span className="name">{team ?? "All teams"}</span> · times in {timeZone}
					</Text>
				</div>
				{actions}
			</Group>
			{children}
		</Stack>
	);
}

/** One block of a page under a heading of its own. */
export function Section({ title, actions, children }: PageProps) {
	const headingId = useId();
	return (
		<Paper component="section" aria-labelledby={headingId}>
			<Group justify="space-between" mb="sm" gap="xs">
				<Title order={2} id={headingId}>
					{title}
				</Title>
				{actions}
			</Group>
			{children}
		</Paper>
	);
}

export type Tone = "good" | "warn" | "bad" | "quiet";

/** A state in words; the dot only repeats them in color. */
export function Status({ tone, children }: { readonly tone: Tone; readonly children: ReactNode }) {
	return (
		<span>
			<span className="dot" data-tone={tone} aria-hidden="true" />
			{children}
		</span>
	);
}

import { Alert, Button, Group, Skeleton, Stack, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { ApiProblem } from "../api/problem.ts";
import { formatClock } from "../format/time.ts";
import { useTimeZone } from "./use-time-zone.ts";

const SLOW_AFTER_MS = 2_000;

type AnsweredProps<Data> = {
	readonly query: UseQueryResult<Data, Error>;
	/** What is asked for, as in "Budgets are being read". */
	readonly what: string;
	readonly isEmpty?: (data: Data) => boolean;
	/** Shown in the place of `children` where the answer is empty: says what to do. */
	readonly empty?: ReactNode;
	readonly children: (data: Data) => ReactNode;
};

/** One answer of the API in all of its states: on its way, late, refused, failed, empty, there, and there but old. */
export function Answered<Data>({ query, what, isEmpty, empty, children }: AnsweredProps<Data>) {
	const again = (): void => void query.refetch();
	if (query.data === undefined) {
		if (query.error !== null) return <Failed error={query.error} what={what} onRetry={again} />;
		return <Waiting what={what} />;
	}
	return (
		<Stack gap="sm">
			{query.error !== null && <Stale error={query.error} sinceMs={query.dataUpdatedAt} onRetry={again} />}
			{isEmpty?.(query.data) ? empty : children(query.data)}
		</Stack>
	);
}

export function Waiting({ what }: { readonly what: string }) {
	const isSlow = useIsSlow();
	return (
		<Stack gap="xs" aria-busy="true">
			<Skeleton height={14} width="60%" />
			<Skeleton height={14} width="85%" />
			<Skeleton height={14} width="40%" />
			<Text role="status" size="sm" c="dimmed" className={isSlow ? "" : "hidden-text"} mih="1.5em">
				{isSlow ? `${what}: the API has not answered yet. Nothing is lost; this page goes on waiting.` : `${what}: loading`}
			</Text>
		</Stack>
	);
}

function useIsSlow(): boolean {
	const [isSlow, setIsSlow] = useState(false);
	useEffect(() => {
		const timer = setTimeout(() => setIsSlow(true), SLOW_AFTER_MS);
		return () => clearTimeout(timer);
	}, []);
	return isSlow;
}

type FailedProps = { readonly error: Error; readonly what: string; readonly onRetry: () => void };

export function Failed({ error, what, onRetry }: FailedProps) {
	const problem = error instanceof ApiProblem ? error : null;
	return (
		<Alert variant="outline" color="gray" title={titleOf(problem, what)} role="alert" className="failed">
			<Text size="sm" className="name">
				{error.message}
			</Text>
			<Group mt="sm" gap="md">
				<Button size="xs" variant="default" onClick={onRetry}>
					Try again
				</Button>
				{problem !== null && (
					<Text size="xs" c="dimmed" className="code">
						{problem.code}
					</Text>
				)}
			</Group>
		</Alert>
	);
}

function titleOf(problem: ApiProblem | null, what: string): string {
	if (problem === null) return `${what}: this page cannot show the answer`;
	if (problem.status === 403) return `${what}: your role does not include this`;
	if (problem.status === 404) return `${what}: not found`;
	if (problem.status === null) return `${what}: no answer`;
	if (problem.status >= 500) return `${what}: the API failed`;
	return `${what}: the question was refused`;
}

/** What was known stays, with its time. */
function Stale({ error, sinceMs, onRetry }: { readonly error: Error; readonly sinceMs: number; readonly onRetry: () => void }) {
	const timeZone = useTimeZone();
	return (
		<Group role="status" gap="sm" className="stale">
			<Text size="sm">
				As of {formatClock(sinceMs, { timeZone })} {timeZone}: {error.message}
			</Text>
			<Button size="compact-xs" variant="default" onClick={onRetry}>
				Try again
			</Button>
		</Group>
	);
}

/** In the place of a page that would be refused: nothing is asked for. */
export function NotIncluded({ children }: { readonly children: ReactNode }) {
	return <Empty title="Your role does not include this.">{children}</Empty>;
}

/** Nothing there, and what a person can do about it. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
	return (
		<Stack gap={4} py="md">
			<Text fw={600}>{title}</Text>
			{children !== undefined && (
				<Text size="sm" c="dimmed" component="div">
					{children}
				</Text>
			)}
		</Stack>
	);
}

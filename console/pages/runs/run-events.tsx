import { Group, Stack, Text } from "@mantine/core";
import { checkRunLimits } from "#domain/agents/run-limits.ts";
import { Status, type Tone } from "../../frame/page.tsx";
import { When } from "../../frame/when.tsx";
import { CeilingAmount } from "./ceiling-amount.tsx";
import { Evidence } from "./evidence.tsx";
import { ceilingName, guardWords, type Run } from "./run-words.ts";

type RunEvent = Run["events"][number];

const TONES: Readonly<Record<string, Tone>> = {
	opened: "quiet",
	warned: "warn",
	paused: "warn",
	resumed: "good",
	raised: "good",
	stopped: "bad",
	finished: "quiet",
};

/** The newest first. */
export function RunEvents({ events }: { readonly events: readonly RunEvent[] }) {
	return (
		<Stack component="ol" gap="sm" p={0} m={0} className="plain-list">
			{events.toReversed().map((event) => (
				<EventRow key={`${event.at} ${event.kind} ${textOf(event, "guard") ?? ""}`} event={event} />
			))}
		</Stack>
	);
}

function EventRow({ event }: { readonly event: RunEvent }) {
	const guard = textOf(event, "guard");
	const [evidence, by, reason] = [textOf(event, "evidence"), textOf(event, "by"), textOf(event, "reason")];
	return (
		<li>
			<Group justify="space-between" gap="xs" align="baseline">
				<Text size="sm" fw={600}>
					<Status tone={TONES[event.kind] ?? "quiet"}>
						{event.kind}
						{by !== undefined && ` by ${by}`}
						{guard !== undefined && guard !== "person" && `: ${guardWords({ guard, ...toolOf(event) })}`}
					</Status>
				</Text>
				<Text size="sm" c="dimmed">
					<When iso={event.at} />
				</Text>
			</Group>
			{reason !== undefined && (
				<Text size="sm" className="name">
					“{reason}”
				</Text>
			)}
			{evidence !== undefined && reason === undefined && <Evidence text={evidence} />}
			<Limits limits={event.detail["limits"]} />
		</li>
	);
}

/** New totals of a raise, and what a run was opened with. Limits of a newer release are left out. */
function Limits({ limits }: { readonly limits: unknown }) {
	const checked = limits === undefined ? undefined : checkRunLimits(limits);
	if (checked?.kind !== "valid" || checked.value.length === 0) return null;
	return (
		<Text size="sm" c="dimmed" className="name">
			{"Ceilings: "}
			{checked.value.map((ceiling, index) => (
				<span key={ceilingName(ceiling)}>
					{index > 0 && ", "}
					{ceilingName(ceiling).toLowerCase()} <CeilingAmount kind={ceiling.kind} amount={(ceiling.hard ?? ceiling.soft)?.at.toString() ?? "0"} />
				</span>
			))}
		</Text>
	);
}

function textOf({ detail }: RunEvent, field: string): string | undefined {
	const value = detail[field];
	return typeof value === "string" && value !== "" ? value : undefined;
}

function toolOf(event: RunEvent): { readonly tool?: string } {
	const tool = textOf(event, "tool");
	return tool === undefined ? {} : { tool };
}

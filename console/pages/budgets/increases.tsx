import { Button, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { budgetName, teamName } from "../../frame/budget-name.ts";
import { Amount } from "../../frame/money.tsx";
import { Status, type Tone } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { HowLong, When } from "../../frame/when.tsx";
import { type Increase, mayDecide } from "./decide.ts";
import { DecideDialog, type Decision } from "./decide-dialog.tsx";

const TONES: Readonly<Record<string, Tone>> = { pending: "warn", approved: "good", rejected: "bad" };
const WORDS: Readonly<Record<string, string>> = { pending: "waits for a decision", approved: "in force" };

/** What waits for a decision and what is in force. */
export function Increases({ team }: { readonly team: string | undefined }) {
	const [deciding, setDeciding] = useState<{ readonly increase: Increase; readonly decision: Decision } | null>(null);
	const increases = useAnswer("/admin/v1/increases", { query: team === undefined ? {} : { teamId: team } }, { topics: ["increases"] });
	return (
		<Answered
			query={increases}
			what="Increases"
			isEmpty={(answer) => answer.increases.length === 0}
			empty={<Empty title="Nobody asks for more.">Requests for a higher limit stand here until somebody decides.</Empty>}
		>
			{(answer) => (
				<>
					<Stack component="ul" gap="sm" p={0} m={0} className="plain-list">
						{[...answer.increases].sort(pendingFirst).map((increase) => (
							<IncreaseRow key={increase.id} increase={increase} onDecide={(decision) => setDeciding({ increase, decision })} />
						))}
					</Stack>
					{deciding !== null && <DecideDialog {...deciding} onClose={() => setDeciding(null)} />}
				</>
			)}
		</Answered>
	);
}

function pendingFirst(one: Increase, other: Increase): number {
	return Number(other.status === "pending") - Number(one.status === "pending");
}

type IncreaseRowProps = { readonly increase: Increase; readonly onDecide: (decision: Decision) => void };

function IncreaseRow({ increase, onDecide }: IncreaseRowProps) {
	const session = useSession();
	const isOpen = increase.status === "pending" && mayDecide(session);
	return (
		<li className="budget-card">
			<Group justify="space-between" gap="sm">
				<Text fw={600} className="name">
					{teamName(increase.teamId)} · {budgetName(increase)} · <Asked increase={increase} />
				</Text>
				<Status tone={TONES[increase.status] ?? "quiet"}>{WORDS[increase.status] ?? increase.status}</Status>
			</Group>
			<Text size="sm" className="name" my={4}>
				“{increase.reason}”
			</Text>
			<Group justify="space-between" gap="sm">
				<Text size="sm" c="dimmed" className="name">
					asked by {increase.requestedBy} <HowLong iso={increase.requestedAt} />, until{" "}
					{increase.until === null ? "the end of the window" : <When iso={increase.until} />}
					{increase.decidedBy !== null && `; decided by ${increase.decidedBy}`}
				</Text>
				{isOpen && (
					<Group gap="xs">
						<Button size="xs" onClick={() => onDecide("approve")}>
							Approve
						</Button>
						<Button size="xs" variant="default" onClick={() => onDecide("reject")}>
							Reject
						</Button>
					</Group>
				)}
			</Group>
		</li>
	);
}

function Asked({ increase: { kind, askedAmount, grantedAmount, unit } }: { readonly increase: Increase }) {
	if (kind === "line")
		return (
			<>
				beyond the line at <Amount amount={askedAmount} unit={unit} />
			</>
		);
	return (
		<>
			+<Amount amount={grantedAmount ?? askedAmount} unit={unit} />
			{grantedAmount !== null && grantedAmount !== askedAmount && (
				<>
					{" of "}
					<Amount amount={askedAmount} unit={unit} /> asked
				</>
			)}
		</>
	);
}

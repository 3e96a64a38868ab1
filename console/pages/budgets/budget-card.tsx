import { Group, Progress, Text } from "@mantine/core";
import type { Answer } from "../../api/client.ts";
import { formatShare, toBarPercent } from "../../format/money.ts";
import { budgetName, teamName } from "../../frame/budget-name.ts";
import { Amount, Count } from "../../frame/money.tsx";
import { Status, type Tone } from "../../frame/page.tsx";
import { HowLong, When } from "../../frame/when.tsx";

type Budget = Answer<"/admin/v1/budgets">["budgets"][number];

/** One budget in its current window: what of it is spent, held and left, its lines, and what stands in its way. */
export function BudgetCard({ budget }: { readonly budget: Budget }) {
	const { unit } = budget;
	const limit = BigInt(budget.limitAmount) + BigInt(budget.raisedAmount);
	const [posted, pending] = [BigInt(budget.postedAmount), BigInt(budget.pendingAmount)];
	const state = stateOf(budget, limit);
	const share = formatShare(posted, limit) ?? "all";
	const spentPercent = toBarPercent(posted, limit);
	return (
		<li className="budget-card">
			<Group justify="space-between" gap="xs" wrap="nowrap" align="baseline">
				<Text fw={600} className="name">
					{teamName(budget.teamId)}
				</Text>
				<Text size="sm" c="dimmed" ta="right">
					{budgetName(budget)}
				</Text>
			</Group>
			<Group justify="space-between" align="baseline" gap="xs">
				<Text span size="lg" fw={600}>
					<Amount amount={posted} unit={unit} />
				</Text>
				<Text span size="sm" c="dimmed">
					of <Amount amount={limit} unit={unit} />
				</Text>
			</Group>
			<Progress.Root size="lg" mt={4} mb={6}>
				<Progress.Section value={spentPercent} color={`var(--console-${state.tone === "quiet" ? "good" : state.tone})`} aria-label={`${share} spent`} />
				<Progress.Section
					value={Math.min(100 - spentPercent, toBarPercent(pending, limit))}
					color="var(--console-held)"
					aria-label={`${formatShare(pending, limit) ?? "nothing"} held`}
				/>
			</Progress.Root>
			<Group justify="space-between" gap="xs">
				<Text size="sm">
					<Status tone={state.tone}>{state.words}</Status>
				</Text>
				<Text size="sm" c="dimmed">
					{share} spent
				</Text>
			</Group>
			<Facts budget={budget} />
		</li>
	);
}

function Facts({ budget }: { readonly budget: Budget }) {
	const { unit, resetsAt, raisedUntil } = budget;
	return (
		<dl className="facts">
			<Fact name="Left">
				<Amount amount={budget.leftAmount} unit={unit} />
			</Fact>
			<Fact name="Held for calls">
				<Amount amount={budget.pendingAmount} unit={unit} />
			</Fact>
			{budget.raisedAmount !== "0" && (
				<Fact name="Raised by">
					<Amount amount={budget.raisedAmount} unit={unit} />
					{raisedUntil !== null && (
						<>
							{" until "}
							<When iso={raisedUntil} />
						</>
					)}
				</Fact>
			)}
			<Fact name="Resets">{resetsAt === null ? "never" : <HowLong iso={resetsAt} />}</Fact>
			<Fact name="Lines">{linesOf(budget)}</Fact>
			{budget.mode === "observe" && (
				<Fact name="Would have refused">
					<Count count={budget.wouldRefuse} /> calls
				</Fact>
			)}
			{budget.overrunAmount !== "0" && (
				<Fact name="Overrun">
					<Amount amount={budget.overrunAmount} unit={unit} />
				</Fact>
			)}
		</dl>
	);
}

function Fact({ name, children }: { readonly name: string; readonly children: React.ReactNode }) {
	return (
		<div>
			<dt>{name}</dt>
			<dd>{children}</dd>
		</div>
	);
}

const ACTIONS: Readonly<Record<string, string>> = { notify: "notice", degrade: "cheaper model", needApproval: "approval", stop: "stop" };

function linesOf({ thresholds, unit }: Budget): string {
	const lines = thresholds.map(
		({ action, at }) => `${ACTIONS[action] ?? action} at ${at.basisPoints === undefined ? `${at.amount ?? "?"} ${unit}` : `${at.basisPoints / 100} %`}`,
	);
	return lines.length === 0 ? "none below the limit" : lines.join(", ");
}

function stateOf(budget: Budget, limit: bigint): { readonly tone: Tone; readonly words: string } {
	const posted = BigInt(budget.postedAmount);
	if (budget.isFrozen) return { tone: "bad", words: "frozen: nothing is spent" };
	if (budget.mode === "observe") return { tone: "quiet", words: "only observed" };
	if (budget.isOverrun) return { tone: "bad", words: "overrun: stopped" };
	const stop = budget.stopAmount === null ? limit : BigInt(budget.stopAmount);
	if (posted >= stop) return budget.needsApproval ? { tone: "warn", words: "waits for an approval" } : { tone: "bad", words: "used up" };
	const warned = budget.thresholds.some(({ at }) => at.basisPoints !== undefined && posted * 10_000n >= limit * BigInt(Math.round(at.basisPoints)));
	return warned ? { tone: "warn", words: "beyond a line" } : { tone: "good", words: "in budget" };
}

import { Text } from "@mantine/core";
import { useState } from "react";
import { useChange } from "../../api/use-answer.ts";
import { ChangeDialog } from "../../frame/change-dialog.tsx";
import { Money } from "../../frame/money.tsx";
import { CeilingFields } from "./ceiling-fields.tsx";
import { costLeftNanoUsd, type Deciding, type DecisionKind, decide, type RaisedCeiling, raisable, readCeiling } from "./decide.ts";
import { ceilingName, isHolding, type Run } from "./run-words.ts";

const WORDS: Readonly<Record<DecisionKind, { readonly title: string; readonly verb: string; readonly isDangerous?: true }>> = {
	resume: { title: "Let the run go on", verb: "Let it go on" },
	approve: { title: "Approve more and let the run go on", verb: "Approve" },
	raise: { title: "Raise a ceiling of the run", verb: "Raise" },
	stop: { title: "Stop the run", verb: "Stop it", isDangerous: true },
	finish: { title: "End the run for good", verb: "End it", isDangerous: true },
};

/** One decision about a run, with what it means in money and its reason. */
export function DecideRunDialog({ kind, run, onClose }: Deciding & { readonly onClose: () => void }) {
	const [typed, setTyped] = useState<Readonly<Record<string, string>>>({});
	const raises = kind === "approve" || kind === "raise";
	const fields = raises ? raisable(run).map((ceiling) => ({ ceiling, name: ceilingName(ceiling), text: typed[ceilingName(ceiling)] ?? "" })) : [];
	const filled = fields.filter(({ text }) => text.trim() !== "");
	const read = filled.flatMap(({ ceiling, text }): RaisedCeiling[] => {
		const amount = readCeiling(ceiling.kind, text);
		return amount === undefined ? [] : [{ kind: ceiling.kind, ...(ceiling.tool !== undefined && { tool: ceiling.tool }), amount }];
	});
	const isHoldingFilled = fields.every(({ ceiling, text }) => !isHolding(ceiling, run.hold) || text.trim() !== "");
	const isReady = !raises || (read.length > 0 && read.length === filled.length && (kind === "raise" || isHoldingFilled));
	const change = useChange(["runs", "alerts"], (reason: string) => decide({ kind, run }, reason, read));
	return (
		<ChangeDialog {...WORDS[kind]} reasonFor="Stands in the run's history, with your name" change={change} isReady={isReady} onClose={onClose}>
			<Effect kind={kind} run={run} raised={read} />
			{raises && <CeilingFields fields={fields} hold={run.hold} onTyped={(name, text) => setTyped({ ...typed, [name]: text })} />}
		</ChangeDialog>
	);
}

/** What it does, and what it may cost. */
function Effect({ kind, run, raised }: Deciding & { readonly raised: readonly RaisedCeiling[] }) {
	const left = costLeftNanoUsd(run);
	const cost = <Money nanoUsd={run.totals.costNanoUsd} />;
	const more = raised.find((ceiling) => ceiling.kind === "costNanoUsd");
	return (
		<Text size="sm" component="div">
			It has cost {cost} so far{run.children > 0 && <>, with what the runs below it cost</>}.{" "}
			{kind === "resume" && "It goes on where it stood; what repeated so far is forgiven. "}
			{kind === "resume" && left !== null && left > 0n && (
				<>
					It may spend another <Money nanoUsd={left} /> before a cost ceiling holds it.
				</>
			)}
			{kind === "resume" && left === null && "No cost ceiling holds it: only the budgets of its team do."}
			{kind === "stop" &&
				"Every further call of it and of the runs below it is refused; calls that are under way are still paid for. It can be let go on again."}
			{kind === "finish" && "It ends with all runs below it, its further calls are refused, and its id is never used again. This cannot be taken back."}
			{(kind === "approve" || kind === "raise") && <RaiseEffect run={run} amount={more?.amount} />}
		</Text>
	);
}

function RaiseEffect({ run, amount }: { readonly run: Run; readonly amount: string | undefined }) {
	const stated = raisable(run).find(({ kind }) => kind === "costNanoUsd");
	if (amount === undefined || stated === undefined)
		return <>Amounts are new totals for the whole run. What it spends comes out of its team's budgets as before.</>;
	const spendable = BigInt(amount) - BigInt(run.totals.costNanoUsd);
	return (
		<>
			It may cost up to <Money nanoUsd={amount} /> in all then: <Money nanoUsd={spendable > 0n ? spendable : 0n} /> more than so far, out of its team's budgets.
		</>
	);
}

import { formatSpan } from "../../format/span.ts";
import { Facts } from "../../frame/facts.tsx";
import { Count } from "../../frame/money.tsx";
import { When } from "../../frame/when.tsx";
import { RunLink } from "./run-table.tsx";
import type { Run } from "./run-words.ts";

const ORIGINS: Readonly<Record<Run["origin"], string>> = {
	header: "named by its calls",
	implicit: "told from its calls, which name none",
	registered: "registered",
};

export function RunFacts({ run }: { readonly run: Run }) {
	const { teamId, keyId, origin, openedAt, pausedMs, forgiven, children, rootRunId, parentRunId, runId, totals } = run;
	const tools = Object.entries(totals.toolCalls).sort(([, one], [, other]) => other - one);
	return (
		<Facts
			facts={[
				{ name: "Team", value: teamId },
				{ name: "Key", value: <span className="code">{keyId}</span> },
				{ name: "How it began", value: ORIGINS[origin] },
				{ name: "Opened", value: <When iso={openedAt} /> },
				{ name: "Stood still for", value: pausedMs === 0 ? "no time" : formatSpan(pausedMs) },
				{ name: "Loops forgiven", value: <Count count={forgiven} /> },
				{ name: "Child runs", value: <Count count={children} /> },
				...(parentRunId === null ? [] : [{ name: "Below", value: <RunLink runId={parentRunId} /> }]),
				...(rootRunId === runId || rootRunId === parentRunId ? [] : [{ name: "Root", value: <RunLink runId={rootRunId} /> }]),
				...(tools.length === 0 ? [] : [{ name: "Tools it called", value: tools.map(([tool, calls]) => `${tool} ×${calls}`).join(", ") }]),
			]}
		/>
	);
}

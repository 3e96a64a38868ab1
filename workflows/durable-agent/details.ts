import { formatUsd } from "#domain/money/wire.ts";
import { plain } from "../shared/details-text.ts";
import type { AgentStatus } from "./messages.ts";

/** What a person reads of an agent in the Temporal UI. */
const EVIDENCE_SHOWN_MAX = 1_000;
const NAME_SHOWN_MAX = 128;

export function renderAgentDetails(status: AgentStatus): string {
	const { runId, activity, step, toolCalls, costNanoUsd, hold, refusedWith, waitsUntilMs } = status;
	const lines = [`## Agent ${plain(runId, NAME_SHOWN_MAX)}: ${activity}`, "", `Step ${step}, ${toolCalls} tool calls, ${formatUsd(BigInt(costNanoUsd))} USD.`];
	if (hold !== null)
		lines.push(
			"",
			`**${hold.state}** by ${plain(hold.guard, NAME_SHOWN_MAX)}: ${plain(hold.evidence, EVIDENCE_SHOWN_MAX)}`,
			"",
			`Measured ${plain(hold.measured, NAME_SHOWN_MAX)}, the line is at ${plain(hold.threshold, NAME_SHOWN_MAX)}, of run ${plain(hold.ofRunId, NAME_SHOWN_MAX)}.`,
		);
	if (refusedWith !== null) lines.push("", `**refused** with ${plain(refusedWith, NAME_SHOWN_MAX)}; the same step is asked again.`);
	if (waitsUntilMs !== null) lines.push("", `Looks again at ${new Date(waitsUntilMs).toISOString()}, or when the signal \`checkNow\` comes.`);
	return lines.join("\n");
}

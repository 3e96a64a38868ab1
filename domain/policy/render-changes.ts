import type { PolicyChange } from "./diff-policy.ts";
import type { Effect } from "./effect.ts";

const SIGNS = { add: "+", change: "~", archive: "-" } as const;
const EFFECTS: Readonly<Record<Effect, string>> = { tightens: "tightens", loosens: "loosens", both: "tightens and loosens", neutral: "" };

/** Changes for people, one a line below the part of the policy they are in, and a sum. */
export function renderChanges(changes: readonly PolicyChange[]): string {
	if (changes.length === 0) return "No changes.";
	const lines: string[] = [];
	let section: string | undefined;
	for (const { kind, at, effect, summary } of changes) {
		const place = at[0] === "teams" ? `team ${at[1] ?? ""}` : (at[0] ?? "");
		if (place !== section) lines.push(place);
		section = place;
		const archived = kind === "archive" ? " (archived)" : "";
		lines.push(`  ${SIGNS[kind]} ${summary}${archived}${effect === "neutral" ? "" : `  [${EFFECTS[effect]}]`}`);
	}
	return [...lines, "", summarize(changes)].join("\n");
}

function summarize(changes: readonly PolicyChange[]): string {
	const count = (isMeant: (change: PolicyChange) => boolean): number => changes.filter(isMeant).length;
	const parts = [
		`${count(({ kind }) => kind === "add")} added`,
		`${count(({ kind }) => kind === "change")} changed`,
		`${count(({ kind }) => kind === "archive")} archived`,
	];
	const tighter = count(({ effect }) => effect === "tightens" || effect === "both");
	const looser = count(({ effect }) => effect === "loosens" || effect === "both");
	return `${changes.length} ${changes.length === 1 ? "change" : "changes"}: ${parts.join(", ")}; ${tighter} tighter, ${looser} looser.`;
}

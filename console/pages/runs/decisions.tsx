import { Button, Group } from "@mantine/core";
import type { DecisionKind } from "./decide.ts";

const LABELS: Readonly<Record<DecisionKind, string>> = {
	resume: "Let it go on",
	approve: "Approve more",
	raise: "Raise a ceiling",
	stop: "Stop it",
	finish: "End it for good",
};

type DecisionsProps = { readonly decisions: readonly DecisionKind[]; readonly onChosen: (kind: DecisionKind) => void };

export function Decisions({ decisions, onChosen }: DecisionsProps) {
	return (
		<Group gap="xs">
			{decisions.map((kind) => (
				<Button key={kind} size="xs" variant={kind === "resume" || kind === "approve" ? "filled" : "default"} onClick={() => onChosen(kind)}>
					{LABELS[kind]}
				</Button>
			))}
		</Group>
	);
}

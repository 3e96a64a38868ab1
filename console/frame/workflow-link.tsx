import { Anchor, Text } from "@mantine/core";
import type { Answer } from "../api/client.ts";

export type Workflow = Answer<"/admin/v1/runs/{runId}">["workflow"];

/** To a workflow in the Temporal UI; its id, to be looked for there, where nobody said where that is. Nothing where there is none. */
export function WorkflowLink({ workflow }: { readonly workflow: Workflow }) {
	if (workflow === null) return null;
	if (workflow.uiUrl === null)
		return (
			<Text span size="sm" className="name">
				Workflow <span className="code whole">{workflow.id}</span>
			</Text>
		);
	return (
		<Anchor href={workflow.uiUrl} target="_blank" rel="noreferrer" size="sm">
			Workflow in the Temporal UI
		</Anchor>
	);
}

import { Anchor } from "@mantine/core";
import { useSession } from "../api/session.ts";

/** To a workflow in the Temporal UI; nothing where nobody said where that is. */
export function WorkflowLink({ workflowId }: { readonly workflowId: string }) {
	const { temporalUiUrl } = useSession();
	if (temporalUiUrl === null) return null;
	return (
		<Anchor href={workflowUrl(temporalUiUrl, workflowId)} target="_blank" rel="noreferrer" size="sm">
			Workflow in the Temporal UI
		</Anchor>
	);
}

/** An address that names no namespace is taken for that of the namespace "default". */
function workflowUrl(temporalUiUrl: string, workflowId: string): string {
	const origin = temporalUiUrl.replace(/\/+$/, "");
	const namespace = origin.includes("/namespaces/") ? origin : `${origin}/namespaces/default`;
	return `${namespace}/workflows/${encodeURIComponent(workflowId)}`;
}

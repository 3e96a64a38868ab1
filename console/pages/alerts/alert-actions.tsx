import { Button, Group, Text } from "@mantine/core";
import { useState } from "react";
import { api, unwrap } from "../../api/client.ts";
import { mayGovern } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useChange } from "../../api/use-answer.ts";
import { ChangeDialog } from "../../frame/change-dialog.tsx";
import { type Alert, deadChannels } from "./alert-words.ts";

type Action = "retry" | "acknowledge";

/** For what some channel did not take: sends it again, or says that somebody knows. */
export function AlertActions({ alert }: { readonly alert: Alert }) {
	const session = useSession();
	const [action, setAction] = useState<Action | null>(null);
	const isOffered = mayGovern(session) && deadChannels(alert).length > 0;
	if (!isOffered) return null;
	return (
		<Group gap="xs">
			<Button size="xs" variant="default" aria-label={`Send again: ${alert.title}`} onClick={() => setAction("retry")}>
				Send again
			</Button>
			<Button size="xs" variant="default" aria-label={`Acknowledge: ${alert.title}`} onClick={() => setAction("acknowledge")}>
				Acknowledge
			</Button>
			{action !== null && <ActionDialog action={action} alert={alert} onClose={() => setAction(null)} />}
		</Group>
	);
}

type ActionDialogProps = { readonly action: Action; readonly alert: Alert; readonly onClose: () => void };

function ActionDialog({ action, alert, onClose }: ActionDialogProps) {
	const params = { path: { alertId: alert.id } };
	const change = useChange(["alerts"], async (_reason: string) =>
		action === "retry"
			? unwrap(await api.POST("/admin/v1/alerts/{alertId}/retry", { params }))
			: unwrap(await api.POST("/admin/v1/alerts/{alertId}/acknowledge", { params })),
	);
	const channels = deadChannels(alert).join(", ");
	const isRetry = action === "retry";
	return (
		<ChangeDialog title={isRetry ? "Send it again" : "Acknowledge it"} verb={isRetry ? "Send again" : "Acknowledge"} change={change} onClose={onClose}>
			<Text size="sm" className="name">
				{alert.title}.
			</Text>
			<Text size="sm" className="name">
				{isRetry
					? `It goes to ${channels} again, after what was told there meanwhile. It costs nothing.`
					: `You say that you know of it. It is not sent to ${channels}, and no longer counted as undelivered; your name stands beside it.`}
			</Text>
		</ChangeDialog>
	);
}

import { Button, Group, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { api, unwrap } from "../../api/client.ts";
import { mayOperate } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useChange } from "../../api/use-answer.ts";
import { ChangeDialog } from "../../frame/change-dialog.tsx";

/** For a channel that is well again: everything that was given up, of all teams. */
export function RetryAllDead({ isNeeded }: { readonly isNeeded: boolean }) {
	const session = useSession();
	const [isOpen, dialog] = useDisclosure(false);
	const change = useChange(["alerts"], async (_reason: string) => unwrap(await api.POST("/admin/v1/alerts/retry-dead", {})));
	if (!mayOperate(session)) return null;
	return (
		<Group mb="sm" gap="sm">
			{isNeeded && (
				<Button size="xs" variant="default" onClick={dialog.open}>
					Send all of them again
				</Button>
			)}
			{change.data !== undefined && (
				<Text size="sm" role="status">
					{change.data.waiting === 1 ? "1 delivery waits again." : `${change.data.waiting} deliveries wait again.`}
				</Text>
			)}
			{isOpen && (
				<ChangeDialog title="Send everything again" verb="Send all again" change={change} onClose={dialog.close}>
					<Text size="sm">
						Everything that was given up is sent again, of all teams and to all channels, and also what somebody has acknowledged. It costs nothing.
					</Text>
				</ChangeDialog>
			)}
		</Group>
	);
}

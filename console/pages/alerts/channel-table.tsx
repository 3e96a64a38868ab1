import { Button, Text } from "@mantine/core";
import { useState } from "react";
import { type Answer, api, unwrap } from "../../api/client.ts";
import { mayOperate } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useChange } from "../../api/use-answer.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Status } from "../../frame/page.tsx";

type Channel = Answer<"/admin/v1/alert-channels">["channels"][number];
type Tested = { readonly name: string; readonly isDelivered: boolean; readonly said: string };

const KINDS: Readonly<Record<Channel["kind"], string>> = { slack: "Slack", pagerduty: "PagerDuty", alertmanager: "Alertmanager", webhook: "Webhook" };

const COLUMNS: readonly Column<Channel>[] = [
	{ key: "name", head: "Channel", cell: ({ name }) => name },
	{ key: "kind", head: "Kind", cell: ({ kind }) => KINDS[kind] },
	{ key: "target", head: "Delivers to", cell: (channel) => targetOf(channel) },
	{ key: "secret", head: "Its secret stands in", cell: (channel) => secretOf(channel) ?? "–" },
];

/** Channels, each with a test for operators. */
export function ChannelTable({ channels }: { readonly channels: readonly Channel[] }) {
	const session = useSession();
	const { test, tested, testing } = useChannelTest();
	const tests: Column<Channel> = {
		key: "test",
		head: "Test",
		cell: ({ name }) => (
			<Button size="compact-xs" variant="default" aria-label={`Send a test to ${name}`} loading={testing === name} onClick={() => test(name)}>
				Send a test
			</Button>
		),
	};
	return (
		<div>
			<DataTable caption="Channels" columns={mayOperate(session) ? [...COLUMNS, tests] : COLUMNS} rows={channels} rowKey={({ name }) => name} minWidth={680} />
			{tested !== null && (
				<Text size="sm" role="status" mt="xs" className="name">
					<Status tone={tested.isDelivered ? "good" : "bad"}>
						{tested.name}: {tested.isDelivered ? "the test was taken" : "the test was not taken"} ({tested.said})
					</Status>
				</Text>
			)}
		</div>
	);
}

function useChannelTest() {
	const [tested, setTested] = useState<Tested | null>(null);
	const change = useChange([], async (name: string) => unwrap(await api.POST("/admin/v1/alert-channels/{name}/test", { params: { path: { name } } })));
	const test = (name: string): void => {
		setTested(null);
		change.mutate(name, {
			onSuccess: (answer) => setTested({ name, ...answer }),
			onError: (error) => setTested({ name, isDelivered: false, said: error.message }),
		});
	};
	return { test, tested, testing: change.isPending ? change.variables : undefined };
}

/** The address, or where it stands. */
function targetOf({ kind, url, urlEnv, urlFile, allowPrivate }: Channel): string {
	const target = url ?? placeOf(urlEnv, urlFile) ?? (kind === "pagerduty" ? "PagerDuty's public address" : "–");
	return allowPrivate ? `${target}, also within the private network` : target;
}

function secretOf({ routingKeyEnv, routingKeyFile, secretEnv, secretFile }: Channel): string | undefined {
	return placeOf(routingKeyEnv ?? secretEnv, routingKeyFile ?? secretFile);
}

function placeOf(variable: string | undefined, file: string | undefined): string | undefined {
	if (variable !== undefined) return `variable ${variable}`;
	return file === undefined ? undefined : `file ${file}`;
}

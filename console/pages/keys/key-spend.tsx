import { Text } from "@mantine/core";
import { useAnswer } from "../../api/use-answer.ts";
import { formatMoney } from "../../format/money.ts";
import type { Key } from "./key.ts";

/** What calls with a key cost this month: whoever ends it sees whether somebody uses it. */
export function KeySpend({ virtualKey: { id, teamId } }: { readonly virtualKey: Key }) {
	const spend = useAnswer("/admin/v1/spend", { query: { keyId: id, teamId, by: "team" } }, { topics: ["spend"] });
	return (
		<Text size="sm" className="name">
			Key <span className="code">{id}</span> of team {teamId}
			{spend.data === undefined ? "." : `: calls with it have cost ${formatMoney(BigInt(spend.data.totalNanoUsd))} this month.`}
		</Text>
	);
}

import { Text } from "@mantine/core";
import type { Answer } from "../../api/client.ts";
import { formatDuration } from "../../format/time.ts";
import { Facts } from "../../frame/facts.tsx";
import { Amount } from "../../frame/money.tsx";
import { Section, Status } from "../../frame/page.tsx";
import { limitWords, refusalWords } from "../../frame/refusal-words.ts";
import { When } from "../../frame/when.tsx";

type ExplainedRefusal = Answer<"/admin/v1/requests/{requestId}">["refusals"][number];

/** Why a call was refused, with the numbers it was refused by. */
export function Refusal({ refusal }: { readonly refusal: ExplainedRefusal }) {
	const unit = refusal.unit ?? "";
	const amount = (value: string | null) => (value === null ? null : <Amount amount={value} unit={unit} />);
	return (
		<Section title={refusal.isObserved ? "Let pass" : "Refused"} actions={<Status tone={refusal.isObserved ? "quiet" : "bad"}>{refusal.code}</Status>}>
			<Text className="name">
				{refusal.isObserved ? "The budget is only observed; enforced, it would have refused the call: " : "Nothing was sent and nothing charged: "}
				{refusalWords(refusal.code)}
				{refusal.budget !== null && ` (${refusal.budget})`}
				{refusal.limitName !== null && ` (${limitWords(refusal.limitName)})`}.
			</Text>
			<Facts
				facts={[
					{ name: "When", value: <When iso={refusal.at} /> },
					{ name: "Team", value: refusal.teamId },
					{ name: "Key", value: refusal.keyId },
					{ name: "Limit", value: amount(refusal.limitAmount) },
					{ name: "Granted to gateways", value: amount(refusal.grantedAmount) },
					{ name: "Idle here", value: amount(refusal.idleAmount) },
					{ name: "Needed", value: amount(refusal.needAmount) },
					{ name: "Stood at", value: amount(refusal.stoodAtAmount) },
					{ name: "Waited", value: formatDuration(refusal.waitedMs) },
				]}
			/>
			{refusal.unrecordedBefore > 0 && <Text size="sm">{refusal.unrecordedBefore} more calls that it refused before have no row of their own.</Text>}
		</Section>
	);
}

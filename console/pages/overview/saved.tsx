import { Text } from "@mantine/core";
import { useAnswer } from "../../api/use-answer.ts";
import { formatShare } from "../../format/money.ts";
import { Count, Money } from "../../frame/money.tsx";
import { Status } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";

const DAYS = 30;

/** What batches cost, of files and of items handed in alone, beside what the same usage costs in real time. */
export function Saved({ team }: { readonly team: string | undefined }) {
	const query = useAnswer(
		"/admin/v1/batches/savings",
		{ query: { days: DAYS, ...(team !== undefined && { teamId: team }) } },
		{ topics: ["batches", "spend"] },
	);
	return (
		<Answered
			query={query}
			what="What waiting saved"
			isEmpty={({ total }) => total.items === 0}
			empty={<Empty title={`Nothing waited in ${DAYS} days.`}>What need not be answered at once costs about half: hand it in with a deadline.</Empty>}
		>
			{({ total }) => (
				<>
					<p className="headline">
						<Money nanoUsd={total.savedNanoUsd} />
					</p>
					<Text size="sm" my={6}>
						{formatShare(BigInt(total.savedNanoUsd), BigInt(total.realTimeNanoUsd)) ?? "nothing"} of <Money nanoUsd={total.realTimeNanoUsd} /> in real time, by{" "}
						<Count count={total.items} /> items in {DAYS} days
					</Text>
					<Text size="xs" c="dimmed">
						<Status tone={total.lateItems === 0 ? "good" : "warn"}>
							{total.lateItems === 0 ? "none came late" : `${total.lateItems} came after their deadline`}
						</Status>
					</Text>
				</>
			)}
		</Answered>
	);
}

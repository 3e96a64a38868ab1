import { Text } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import type { Answer } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { Page, Section } from "../../frame/page.tsx";
import { Answered } from "../../frame/states.tsx";
import { Attempt } from "./attempt.tsx";
import { Refusal } from "./refusal.tsx";

type Explained = Answer<"/admin/v1/requests/{requestId}">;

/** What one request cost and why, or why it was refused. */
export function RequestPage() {
	const { requestId } = useParams({ from: "/requests/$requestId" });
	const query = useAnswer("/admin/v1/requests/{requestId}", { path: { requestId } }, { topics: ["spend"] });
	return (
		<Page title="Request">
			<Text className="code">{requestId}</Text>
			<Answered query={query} what="The request">
				{(explained) => <Story explained={explained} />}
			</Answered>
		</Page>
	);
}

function Story({ explained: { attempts, refusals, archivedMonths } }: { readonly explained: Explained }) {
	return (
		<>
			{refusals.map((refusal) => (
				<Refusal key={refusal.refusalId} refusal={refusal} />
			))}
			{attempts.map((attempt, index) => (
				<Attempt key={attempt.attemptId} attempt={attempt} title={attempts.length === 1 ? "The call" : `Attempt ${index + 1} of ${attempts.length}`} />
			))}
			{archivedMonths.length > 0 && (
				<Section title="Archived months">
					{archivedMonths.map(({ month, file }) => (
						<Text key={month} size="sm" className="name">
							{month} is archived in {file}; further attempts may be there: <code>npx tollgate ledger explain</code>
						</Text>
					))}
				</Section>
			)}
		</>
	);
}

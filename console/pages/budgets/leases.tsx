import type { Answer } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { formatDuration } from "../../format/time.ts";
import { teamName } from "../../frame/budget-name.ts";
import { DataTable } from "../../frame/data-table.tsx";
import { Amount } from "../../frame/money.tsx";
import { Answered, Empty } from "../../frame/states.tsx";

type Lease = Answer<"/admin/v1/leases">["leases"][number];

const ROWS_MAX = 100;

/** What gateways and batches hold of budgets for calls in flight and to come. */
export function Leases({ team }: { readonly team: string | undefined }) {
	const leases = useAnswer("/admin/v1/leases", { query: {} }, { topics: ["budgets", "spend"] });
	const ofTeam = (answer: Answer<"/admin/v1/leases">) => answer.leases.filter(({ teamId }) => team === undefined || teamId === team);
	return (
		<Answered
			query={leases}
			what="Leases"
			isEmpty={(answer) => ofTeam(answer).length === 0}
			empty={<Empty title="No gateway holds money now.">A gateway takes a lease with the first call, and gives it back when it is idle.</Empty>}
		>
			{(answer) => (
				<DataTable
					caption="Leases that hold money"
					columns={COLUMNS}
					rows={ofTeam(answer).slice(0, ROWS_MAX)}
					rowKey={({ gatewayId, epoch, teamId, budget }) => `${gatewayId} ${epoch} ${teamId} ${budget}`}
				/>
			)}
		</Answered>
	);
}

const COLUMNS = [
	{ key: "gateway", head: "Gateway", cell: ({ gatewayId, epoch }: Lease) => `${gatewayId} (${epoch})` },
	{ key: "team", head: "Team", cell: ({ teamId }: Lease) => teamName(teamId) },
	{ key: "budget", head: "Budget", cell: ({ budget }: Lease) => budget },
	{ key: "held", head: "Held", isNumber: true, cell: ({ pendingAmount, unit }: Lease) => <Amount amount={pendingAmount} unit={unit} /> },
	{ key: "spent", head: "Spent of it", isNumber: true, cell: ({ postedAmount, unit }: Lease) => <Amount amount={postedAmount} unit={unit} /> },
	{ key: "state", head: "State", cell: stateOf },
];

function stateOf({ closedHow, silentMs }: Lease): string {
	if (closedHow !== null) return closedHow;
	return silentMs === null ? "held" : `heard of ${formatDuration(silentMs)} ago`;
}

import { Anchor, SegmentedControl } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { mayReadAll } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { Page, Section } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { useTeam } from "../../frame/use-team.ts";
import { AlertList } from "./alert-list.tsx";
import { Channels } from "./channels.tsx";
import { RetryAllDead } from "./retry-all-dead.tsx";
import { LENGTHS, VIEWS, type View } from "./views.ts";

const LABELS: Readonly<Record<View, string>> = { standing: "Standing", all: "All", dead: "Not delivered" };
const TITLES: Readonly<Record<View, string>> = { standing: "What stands now", all: "The newest first", dead: "What a channel did not take" };
const NONE: Readonly<Record<View, { readonly title: string; readonly what: string }>> = {
	standing: { title: "Nothing stands.", what: "Alerts that last, like a budget that is spent, stand here until they are over." },
	all: { title: "There was no alert yet.", what: "What people are told stands here, with where it went." },
	dead: { title: "Everything was delivered, or somebody knows of it.", what: "What a channel does not take within a day stands here." },
};

/** What people were told, what of it stands, whether it was delivered, and where alerts go. */
export function AlertsPage() {
	const session = useSession();
	const team = useTeam();
	const { show = "standing", newest = LENGTHS[0] } = useSearch({ from: "/alerts" });
	const filter = { standing: { firing: "true" as const }, all: {}, dead: { dead: "true" as const } }[show];
	const query = { ...filter, limit: Number(newest), ...(team !== undefined && { teamId: team }) };
	const alerts = useAnswer("/admin/v1/alerts", { query }, { topics: ["alerts"], keepsPrevious: true });
	const more = alerts.data?.alerts.length === Number(newest) ? LENGTHS[LENGTHS.indexOf(newest) + 1] : undefined;
	return (
		<Page title="Alerts">
			<Section title={TITLES[show]} actions={<ViewPicker show={show} />}>
				{show === "dead" && <RetryAllDead isNeeded={(alerts.data?.alerts.length ?? 0) > 0} />}
				<Answered
					query={alerts}
					what="Alerts"
					isEmpty={(answer) => answer.alerts.length === 0}
					empty={<Empty title={NONE[show].title}>{NONE[show].what}</Empty>}
				>
					{(answer) => <AlertList alerts={answer.alerts} />}
				</Answered>
				{more !== undefined && (
					<Anchor size="sm" mt="sm" display="block" renderRoot={(props) => <Link {...props} to="/alerts" search={{ team, show, newest: more }} />}>
						Show up to {more}
					</Anchor>
				)}
			</Section>
			{mayReadAll(session) && <Channels />}
		</Page>
	);
}

function ViewPicker({ show }: { readonly show: View }) {
	const navigate = useNavigate({ from: "/alerts" });
	return (
		<SegmentedControl
			size="xs"
			aria-label="Which alerts"
			value={show}
			data={VIEWS.map((value) => ({ value, label: LABELS[value] }))}
			onChange={(value) => void navigate({ search: ({ team }) => ({ team, show: VIEWS.find((known) => known === value) }) })}
		/>
	);
}

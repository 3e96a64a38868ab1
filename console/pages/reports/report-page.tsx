import { Button, Group, Text } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { describeCut } from "#domain/reports/rendering/describe-cut.ts";
import type { Answer } from "../../api/client.ts";
import { mayKeepBooks } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer, useChange } from "../../api/use-answer.ts";
import { Page } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { When } from "../../frame/when.tsx";
import { WorkflowLink } from "../../frame/workflow-link.tsx";
import { ReportSection } from "./report-section.tsx";
import { writeReport } from "./write-dialog.tsx";

const route = getRouteApi("/reports/$reportId");
type StoredReport = Answer<"/admin/v1/reports/{reportId}">;

/** One report, drawn from its data. */
export function ReportPage() {
	const { reportId } = route.useParams();
	const { edition } = route.useSearch();
	const query = edition === undefined ? {} : { edition: Number(edition) };
	const stored = useAnswer("/admin/v1/reports/{reportId}", { path: { reportId }, query }, { topics: ["reports"] });
	return (
		<Page title={stored.data?.report.title ?? "Report"} actions={stored.data && <Formats stored={stored.data} />}>
			<TextLink to="/reports" size="sm">
				All reports
			</TextLink>
			<Answered query={stored} what="Report" isEmpty={({ report }) => report.sections.length === 0} empty={<Empty title="Nothing stands in this report." />}>
				{(answer) => <Sections stored={answer} />}
			</Answered>
		</Page>
	);
}

function Sections({ stored }: { readonly stored: StoredReport }) {
	const { report } = stored;
	return (
		<>
			<Head stored={stored} />
			{report.sections.map((section) => (
				<ReportSection key={section.id} section={section} />
			))}
			<Text size="xs" c="dimmed">
				From {new Date(report.fromMs).toISOString()} to {new Date(report.toMs).toISOString()}. {describeCut(report.cut)}
			</Text>
		</>
	);
}

function Head({ stored }: { readonly stored: StoredReport }) {
	const { report, edition, writtenAt, writtenBy, id, workflow } = stored;
	return (
		<div>
			<Text fw={600} size="lg">
				{report.periodText}
			</Text>
			<Text size="sm" c="dimmed" className="name">
				Days of {report.timeZone} · edition {edition}, written <When iso={writtenAt} /> by {writtenBy}
				{edition > 1 && (
					<>
						{" · "}
						<TextLink to="/reports/$reportId" params={{ reportId: id }} search={{ edition: String(edition - 1) }}>
							the edition before
						</TextLink>
					</>
				)}
			</Text>
			<WorkflowLink workflow={workflow} />
		</div>
	);
}

/** The same edition as a page of its own and as text, and writing it anew. */
function Formats({ stored }: { readonly stored: StoredReport }) {
	const address = (format: string): string => `/admin/v1/reports/${encodeURIComponent(stored.id)}?format=${format}&edition=${stored.edition}`;
	return (
		<Group gap="xs">
			<Button component="a" href={address("html")} target="_blank" rel="noreferrer" variant="default">
				HTML
			</Button>
			<Button component="a" href={address("markdown")} target="_blank" rel="noreferrer" variant="default">
				Markdown
			</Button>
			{mayKeepBooks(useSession()) && <WriteAgain stored={stored} />}
		</Group>
	);
}

function WriteAgain({ stored: { kind, date, teamId, edition } }: { readonly stored: StoredReport }) {
	const change = useChange(["reports"], () => writeReport({ kind, date, ...(teamId !== null && { teamId }), again: true }));
	return (
		<>
			<Button variant="default" loading={change.isPending} onClick={() => change.mutate(undefined)}>
				Write anew
			</Button>
			<Text size="sm" role="status" w="100%" className="name">
				{change.error?.message ??
					(change.data === undefined ? "" : change.data.edition > edition ? `Edition ${change.data.edition} is written.` : wordsOfSame(change.data.edition))}
			</Text>
		</>
	);
}

function wordsOfSame(edition: number): string {
	return `Nothing has changed in the books since edition ${edition}.`;
}

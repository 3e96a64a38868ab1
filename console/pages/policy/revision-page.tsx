import { Group, Stack, Text } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import type { Answer } from "../../api/client.ts";
import { mayReadAll } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { Page, Section } from "../../frame/page.tsx";
import { Answered, Empty, NotIncluded } from "../../frame/states.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { When } from "../../frame/when.tsx";
import { Changes } from "./changes.tsx";
import { PolicyDocument } from "./document.tsx";

const route = getRouteApi("/policy/$revision");
type Stored = Answer<"/admin/v1/policy/{revision}">;

/** One applied policy: what it changed, the file as it was given, and everything that held since. */
export function RevisionPage() {
	const { revision } = route.useParams();
	return (
		<Page title={`Policy revision ${revision}`}>
			<TextLink to="/policy" size="sm">
				Policy in force and history
			</TextLink>
			{mayReadAll(useSession()) ? (
				<StoredRevision revision={revision} />
			) : (
				<NotIncluded>What was applied earlier is of the whole organisation. What holds for your teams is on the page Policy.</NotIncluded>
			)}
		</Page>
	);
}

function StoredRevision({ revision }: { readonly revision: string }) {
	const stored = useAnswer("/admin/v1/policy/{revision}", { path: { revision } }, { topics: [] });
	return (
		<Answered query={stored} what="Policy revision">
			{(answer) => <Revision stored={answer} />}
		</Answered>
	);
}

function Revision({ stored: { at, adminName, parent, changes, source, text } }: { readonly stored: Stored }) {
	return (
		<Stack gap="md">
			<Group gap="md">
				<Text size="sm" className="name">
					Applied <When iso={at} /> by {adminName}.
				</Text>
				{parent !== null && (
					<TextLink size="sm" to="/policy/$revision" params={{ revision: parent }}>
						The one before it
					</TextLink>
				)}
			</Group>
			<Section title="What it changed">{changes.length === 0 ? <Empty title="Nothing: it held already." /> : <Changes changes={changes} />}</Section>
			<Section title="The file as it was given">
				<PolicyDocument text={source} label="The file as it was given" />
			</Section>
			<Section title="What held since">
				<PolicyDocument text={text} label="Everything that held since" />
			</Section>
		</Stack>
	);
}

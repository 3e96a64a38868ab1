import { Alert, Button, Checkbox, FileButton, Group, Stack, Text, Textarea } from "@mantine/core";
import { type RefObject, useRef, useState } from "react";
import { type Answer, api, readAnswer, unwrap } from "../../api/client.ts";
import { ApiProblem, type Refusal } from "../../api/problem.ts";
import { mayOperate } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useChange } from "../../api/use-answer.ts";
import { Page, Section } from "../../frame/page.tsx";
import { NotIncluded } from "../../frame/states.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { Compared } from "./compared.tsx";
import { Mistakes } from "./mistakes.tsx";

/** A file that was compared, as it was then: what is applied is what was looked at. `isStale`: something was changed while it was looked at. */
export type ComparedFile = { readonly file: string; readonly prune: boolean; readonly diff: NonNullable<Refusal["diff"]>; readonly isStale: boolean };

type GivenFile = Pick<ComparedFile, "file" | "prune">;

/** What a policy file would change, or each of its mistakes by line; operators put it in force. */
export function ComparePage() {
	return (
		<Page title="Compare a policy">
			<TextLink to="/policy" size="sm">
				Policy in force and history
			</TextLink>
			{mayOperate(useSession()) ? <Comparison /> : <NotIncluded>Operators compare and apply policies. What holds now is on the page Policy.</NotIncluded>}
		</Page>
	);
}

function Comparison() {
	const field = useRef<HTMLTextAreaElement>(null);
	const [file, setFile] = useState("");
	const [prune, setPrune] = useState(false);
	const [compared, setCompared] = useState<ComparedFile | null>(null);
	const comparing = useChange([], async (given: GivenFile) => setCompared({ ...given, diff: await compare(given), isStale: false }));
	const change = (text: string, isPruning: boolean): void => {
		setFile(text);
		setPrune(isPruning);
		setCompared(null);
		comparing.reset();
	};
	return (
		<>
			<Section title="The file">
				<Stack gap="sm">
					<FileField field={field} file={file} onChange={(text) => change(text, prune)} />
					<Checkbox
						label="End what the file leaves out"
						description="Teams with their keys, budgets and channels that it does not name are archived; books stay. Otherwise what it leaves out stays as it is."
						checked={prune}
						onChange={(event) => change(file, event.currentTarget.checked)}
					/>
					<Group>
						<Button loading={comparing.isPending} disabled={file.trim() === ""} onClick={() => comparing.mutate({ file, prune })}>
							Show what it would change
						</Button>
					</Group>
				</Stack>
			</Section>
			{comparing.error !== null && <Refused error={comparing.error} file={file} field={field} />}
			{compared !== null && <Compared compared={compared} onCompared={setCompared} />}
		</>
	);
}

type FieldProps = { readonly field: RefObject<HTMLTextAreaElement | null>; readonly file: string; readonly onChange: (text: string) => void };

function FileField({ field, file, onChange }: FieldProps) {
	const loading = useChange([], async () => onChange((await readCurrent()).text));
	return (
		<>
			<Textarea
				ref={field}
				label="Policy as YAML"
				description="Nothing is written before you say so"
				classNames={{ input: "code" }}
				spellCheck={false}
				rows={16}
				value={file}
				onChange={(event) => onChange(event.currentTarget.value)}
			/>
			<Group gap="xs">
				<FileButton accept=".yaml,.yml,.txt" onChange={(chosen) => void chosen?.text().then(onChange)}>
					{(props) => (
						<Button {...props} size="xs" variant="default">
							Choose a file
						</Button>
					)}
				</FileButton>
				<Button size="xs" variant="default" loading={loading.isPending} onClick={() => loading.mutate(undefined)}>
					Start from what holds
				</Button>
				{loading.error !== null && (
					<Text size="sm" role="alert" className="name">
						{loading.error.message}
					</Text>
				)}
			</Group>
		</>
	);
}

function Refused({ error, file, field }: { readonly error: Error; readonly file: string; readonly field: FieldProps["field"] }) {
	const mistakes = error instanceof ApiProblem ? error.refusal?.mistakes : undefined;
	if (mistakes !== undefined && mistakes.length > 0) return <Mistakes mistakes={mistakes} file={file} field={field} />;
	return (
		<Alert role="alert" variant="outline" color="red" title="Not compared">
			<Text size="sm" className="name">
				{error.message}
			</Text>
		</Alert>
	);
}

async function compare(body: GivenFile) {
	return unwrap(await api.POST("/admin/v1/policy/diff", { body }));
}

function readCurrent(): Promise<Answer<"/admin/v1/policy">> {
	return readAnswer("/admin/v1/policy", {}, new AbortController().signal);
}

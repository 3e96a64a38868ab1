import { Alert, Button, Group, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { api, unwrap } from "../../api/client.ts";
import { ApiProblem } from "../../api/problem.ts";
import { useChange } from "../../api/use-answer.ts";
import { FormDialog } from "../../frame/form-dialog.tsx";
import { Section } from "../../frame/page.tsx";
import { Empty } from "../../frame/states.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { Changes, changesInWords } from "./changes.tsx";
import type { ComparedFile } from "./compare-page.tsx";

type ComparedProps = { readonly compared: ComparedFile; readonly onCompared: (compared: ComparedFile) => void };

/** What a file would change, and putting exactly that in force. */
export function Compared({ compared, onCompared }: ComparedProps) {
	const [isAsking, asking] = useDisclosure(false);
	const applying = useChange(["policy", "budgets", "keys"], () => apply(compared));
	const { changes } = compared.diff;
	if (applying.data !== undefined) return <Applied revision={applying.data.revision} />;
	const submit = (): void =>
		applying.mutate(undefined, {
			onError(error) {
				const diff = error instanceof ApiProblem ? error.refusal?.diff : undefined;
				if (diff === undefined) return;
				// Somebody changed something meanwhile: what was looked at is not what would happen.
				asking.close();
				onCompared({ ...compared, diff, isStale: true });
			},
		});
	return (
		<Section title="What it would change" actions={changes.length > 0 && <Button onClick={asking.open}>Apply</Button>}>
			{compared.isStale && (
				<Alert role="alert" variant="outline" color="yellow" mb="sm" title="Nothing was applied">
					<Text size="sm">Something was changed since this was compared. Below is what the file would change now.</Text>
				</Alert>
			)}
			{changes.length === 0 ? <Empty title="Nothing: all of it holds already." /> : <Changes changes={changes} />}
			{isAsking && (
				<FormDialog title="Apply this policy" action="Put in force" change={applying} onSubmit={submit} onClose={asking.close}>
					<Text size="sm">{changesInWords(changes)} All of it holds at every gateway when this is done, or none of it.</Text>
					<Text size="sm">Money that was spent or is held stays as it is; limits count from the next call on.</Text>
				</FormDialog>
			)}
		</Section>
	);
}

function Applied({ revision }: { readonly revision: string | null }) {
	return (
		<Alert role="status" variant="outline" color="green" title="In force">
			<Group gap="md">
				<Text size="sm">Every gateway acts on it.</Text>
				{revision !== null && (
					<TextLink size="sm" to="/policy/$revision" params={{ revision }}>
						Revision {revision}
					</TextLink>
				)}
			</Group>
		</Alert>
	);
}

async function apply({ file, prune, diff }: ComparedFile) {
	return unwrap(await api.POST("/admin/v1/policy/apply", { body: { file, prune, basis: diff.basis } }));
}

import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Facts } from "../../frame/facts.tsx";
import { When } from "../../frame/when.tsx";
import { type Batch, ruleWords } from "./batch-words.ts";

export function BatchFacts({ batch }: { readonly batch: Batch }) {
	const { teamId, keyId, model, endpoint, provider, deployment, origin, deadline } = batch;
	return (
		<Facts
			facts={[
				{ name: "Team", value: teamId },
				{ name: "Model", value: model },
				{ name: "Endpoint", value: endpoint },
				{ name: "At", value: deployment, note: provider },
				{ name: "Key", value: keyId === null ? "one for each item" : <span className="code">{keyId}</span> },
				{ name: "How it came", value: origin === "collected" ? <Collected teamId={teamId} /> : "handed in as a batch" },
				{ name: "Items that do not run", value: ruleWords(batch) },
				{ name: "Wanted by", value: deadline === null ? "whenever the provider is done" : <When iso={deadline} /> },
				...momentsOf(batch).map(({ name, iso }) => ({ name, value: <When iso={iso} /> })),
				...filesOf(batch).map(({ name, fileId }) => ({ name, value: <span className="code">{fileId}</span> })),
			]}
		/>
	);
}

function Collected({ teamId }: { readonly teamId: string }) {
	return <Anchor renderRoot={(props) => <Link {...props} to="/batches/items" search={{ team: teamId }} />}>collected of items handed in alone</Anchor>;
}

function momentsOf({ createdAt, runningSince, cancelAskedAt, endedAt }: Batch) {
	const moments = [
		{ name: "Handed in", iso: createdAt },
		{ name: "Running since", iso: runningSince },
		{ name: "Cancellation asked", iso: cancelAskedAt },
		{ name: "Ended", iso: endedAt },
	];
	return moments.flatMap(({ name, iso }) => (iso === null ? [] : [{ name, iso }]));
}

function filesOf({ inputFileId, outputFileId, errorFileId }: Batch) {
	const files = [
		{ name: "Input file", fileId: inputFileId },
		{ name: "Output file", fileId: outputFileId },
		{ name: "Error file", fileId: errorFileId },
	];
	return files.flatMap(({ name, fileId }) => (fileId === null ? [] : [{ name, fileId }]));
}

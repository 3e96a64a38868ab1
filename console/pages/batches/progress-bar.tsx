import { Progress } from "@mantine/core";
import { endedPercent, type ListedBatch, OUTCOMES } from "./batch-words.ts";

/** Items by how they ended, over all. */
export function ProgressBar({ batch, size }: { readonly batch: Pick<ListedBatch, "items" | "counts">; readonly size: "sm" | "lg" }) {
	const { items, counts } = batch;
	if (endedPercent(batch) === null) return null;
	return (
		<Progress.Root size={size}>
			{OUTCOMES.filter(({ outcome }) => counts[outcome] > 0).map(({ outcome, color }) => (
				<Progress.Section key={outcome} value={(counts[outcome] * 100) / items} color={color} aria-label={`${counts[outcome]} of ${items} items ${outcome}`} />
			))}
			{counts.open === items && <Progress.Section value={0} aria-label={`0 of ${items} items ended`} />}
		</Progress.Root>
	);
}

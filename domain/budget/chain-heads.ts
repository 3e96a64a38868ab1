import { CHAIN_HEADS_MAX, type ChainHead } from "./team-budget-state.ts";

/**
 * What is remembered of the ledger's chains after a report: per chain the longest ever told, so that neither a reordered
 * report nor a chain that was cut and grew again hides what was there. Of more than CHAIN_HEADS_MAX chains those that
 * changed last stay.
 */
export function mergeChainHeads(known: readonly ChainHead[], told: readonly ChainHead[]): readonly ChainHead[] {
	const heads = new Map(known.map((head) => [nameOf(head), head]));
	for (const head of told) {
		const before = heads.get(nameOf(head));
		if (before !== undefined && BigInt(before.chunkSeq) >= BigInt(head.chunkSeq)) continue;
		heads.delete(nameOf(head));
		heads.set(nameOf(head), head);
	}
	return [...heads.values()].slice(-CHAIN_HEADS_MAX);
}

function nameOf({ gatewayId, epoch }: ChainHead): string {
	return `${gatewayId}/${epoch}`;
}

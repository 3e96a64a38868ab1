import { Text, Title } from "@mantine/core";
import { formatCount, formatExactMoney } from "../../format/money.ts";
import { DataTable } from "../../frame/data-table.tsx";
import { Money } from "../../frame/money.tsx";
import type { ExplainedAttempt } from "./attempt.tsx";

type Line = NonNullable<ExplainedAttempt["price"]>["lines"][number];

const WORDS: Readonly<Record<string, string>> = {
	input: "Input",
	cachedInput: "Input from cache",
	cacheWrite5m: "Cache write, 5 minutes",
	cacheWrite1h: "Cache write, 1 hour",
	output: "Output",
	reasoning: "Reasoning",
};

/** The price, addend by addend. */
export function Arithmetic({ attempt: { price, costNanoUsd } }: { readonly attempt: ExplainedAttempt }) {
	return (
		<div>
			<Title order={3} mb="xs">
				How the cost was made
			</Title>
			{price === null ? (
				<Text size="sm">It was not priced from usage: the amount is the reservation or a correction.</Text>
			) : (
				<>
					<DataTable caption="Addends of the cost" columns={COLUMNS} rows={price.lines} rowKey={nameOf} />
					<Text size="sm" mt="xs" className="name">
						Together {formatExactMoney(BigInt(price.costNanoUsd))}, rounded up once; by {price.provider} {price.model}, tier {price.priceTier}, price book
						version {price.priceVersion}.
					</Text>
					{price.costNanoUsd !== costNanoUsd && (
						<Text size="sm">
							Booked were <Money nanoUsd={costNanoUsd} />: the reservation or a correction stands in the place of the usage.
						</Text>
					)}
				</>
			)}
		</div>
	);
}

const COLUMNS = [
	{ key: "what", head: "What", cell: nameOf },
	{ key: "quantity", head: "Quantity", isNumber: true, cell: ({ quantity }: Line) => formatCount(quantity) },
	{ key: "price", head: "Price", isNumber: true, cell: priceOf },
	{ key: "cost", head: "nano-USD", isNumber: true, cell: ({ nanoUsd }: Line) => groupDigits(nanoUsd) },
];

function nameOf({ tokenClass, tool }: Line): string {
	return tokenClass === undefined ? (tool ?? "") : (WORDS[tokenClass] ?? tokenClass);
}

function priceOf({ nanoUsdPerMillion, nanoUsdPerCall }: Line) {
	if (nanoUsdPerMillion !== undefined)
		return (
			<>
				<Money nanoUsd={nanoUsdPerMillion} /> per million
			</>
		);
	return (
		<>
			<Money nanoUsd={nanoUsdPerCall ?? "0"} /> a call
		</>
	);
}

/** Exact, with the decimals it has. */
function groupDigits(decimal: string): string {
	const [whole = "0", fraction] = decimal.split(".");
	return `${formatCount(BigInt(whole))}${fraction === undefined ? "" : `.${fraction}`}`;
}

import { formatAmount, formatCount, formatExactMoney } from "../format/money.ts";

type MoneyProps = { readonly nanoUsd: bigint | string };

/** An amount a person can read; the exact one on hover, and in `value` for whoever copies or scripts. */
export function Money({ nanoUsd }: MoneyProps) {
	return <Amount amount={nanoUsd} unit="nano_usd" />;
}

/** An amount of a budget: dollars, or tokens where it is one in tokens. */
export function Amount({ amount, unit }: { readonly amount: bigint | string; readonly unit: string }) {
	const exact = BigInt(amount);
	return (
		<data className="money" value={exact.toString()} title={unit === "nano_usd" ? formatExactMoney(exact) : `${formatCount(exact)} ${unit}`}>
			{formatAmount(exact, unit)}
		</data>
	);
}

export function Count({ count }: { readonly count: number | bigint | string }) {
	return <data value={count.toString()}>{formatCount(BigInt(count))}</data>;
}

import { formatCount } from "../../format/money.ts";
import { formatSpan } from "../../format/span.ts";
import { Money } from "../../frame/money.tsx";

/** An amount of a ceiling in its unit; `amount` is a decimal string. */
export function CeilingAmount({ kind, amount }: { readonly kind: string; readonly amount: string }) {
	if (kind === "costNanoUsd") return <Money nanoUsd={amount} />;
	return (
		<data value={amount} title={kind === "elapsedMs" ? `${amount} ms` : undefined}>
			{kind === "elapsedMs" ? formatSpan(Number(amount)) : formatCount(BigInt(amount))}
		</data>
	);
}

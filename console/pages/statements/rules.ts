import { type Answer, api, unwrap } from "../../api/client.ts";
import { formatBasisPoints } from "./basis-points.ts";

export type Rules = Answer<"/admin/v1/chargeback-rules">["rules"];
type Split = Pick<Rules["pools"][number], "split" | "among" | "shares">;

/** "evenly among ads and core", "by fixed shares: ads 60 %, core 40 %". */
export function splitInWords({ split, among, shares }: Split): string {
	if (split === "fixed")
		return `by fixed shares: ${Object.entries(shares)
			.map(([teamId, share]) => `${teamId} ${formatBasisPoints(share)}`)
			.join(", ")}`;
	const whom = among === null ? "the teams that spent in the month" : among.join(", ");
	return split === "even" ? `evenly among ${whom}` : `among ${whom}, by what each spent`;
}

export async function setRules(rules: Rules) {
	return unwrap(await api.PUT("/admin/v1/chargeback-rules", { body: rules }));
}

import type { ExcessCause } from "#domain/anomaly/explain-excess.ts";

/** A cause as the detail of an alert has it; "" stands for what is not attributed. Absent fields: none is narrower than all. */
export function causeDetail(cause: ExcessCause | undefined): Readonly<Record<string, string>> {
	if (cause === undefined) return {};
	const { feature, model, key } = cause.groups;
	return {
		...(feature !== undefined && { causeFeature: feature ?? "" }),
		...(model !== undefined && { causeModel: model ?? "" }),
		...(key !== undefined && { causeKey: key ?? "" }),
		causeMovement: cause.largest,
		causeExcess: cause.excessNanoUsd.toString(),
	};
}

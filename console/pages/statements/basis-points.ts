const BASIS_POINTS_PER_PERCENT = 100;

/** 250 → "2.5 %", −100 → "−1 %". */
export function formatBasisPoints(basisPoints: number): string {
	return `${basisPoints < 0 ? "−" : ""}${Math.abs(basisPoints) / BASIS_POINTS_PER_PERCENT} %`;
}

/** "2.5" → 250, "-1" → −100; undefined: it is no share with at most two decimals. */
export function readBasisPoints(percent: string): number | undefined {
	const [, sign, whole, part = ""] = /^([-−]?)(\d{1,5})(?:\.(\d{1,2}))?$/.exec(percent.trim()) ?? [];
	if (whole === undefined) return undefined;
	const basisPoints = Number(whole) * BASIS_POINTS_PER_PERCENT + Number(part.padEnd(2, "0"));
	return sign === "" ? basisPoints : -basisPoints;
}

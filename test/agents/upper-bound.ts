/**
 * The largest share of false stops that still leaves a chance of `1 − confidence` to see so few in so many runs (Clopper and Pearson, one-sided).
 * Where none was seen it is close to 3 / runs at 95 %.
 */
export function upperBound(seen: number, runs: number, confidence = 0.95): number {
	if (seen >= runs) return 1;
	let [low, high] = [seen / runs, 1];
	for (let halving = 0; halving < 60; halving += 1) {
		const middle = (low + high) / 2;
		if (chanceOfAtMost(seen, runs, middle) > 1 - confidence) low = middle;
		else high = middle;
	}
	return high;
}

function chanceOfAtMost(seen: number, runs: number, share: number): number {
	let term = runs * Math.log1p(-share);
	let sum = Math.exp(term);
	for (let count = 1; count <= seen; count += 1) {
		term += Math.log((runs - count + 1) / count) + Math.log(share) - Math.log1p(-share);
		sum += Math.exp(term);
	}
	return sum;
}

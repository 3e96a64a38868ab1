/** A file may be made of nothing else: the first few say enough. */
const MAX_CIRCLES = 10;
const MAX_SHOWN = 8;

/**
 * Ways from a name back to itself, each as `["a", "b", "a"]`, none twice; at most ten. Every name is visited once, so that
 * a hostile file costs no more than its size.
 */
export function findCircles(names: Iterable<string>, leadsTo: (name: string) => readonly string[]): readonly (readonly string[])[] {
	const circles: string[][] = [];
	const done = new Set<string>();
	for (const start of names) {
		if (done.has(start)) continue;
		const way: { readonly name: string; readonly targets: Iterator<string> }[] = [{ name: start, targets: leadsTo(start).values() }];
		const depthOf = new Map([[start, 0]]);
		for (let here = way.at(-1); here !== undefined; here = way.at(-1)) {
			const { value: target, done: isLeft } = here.targets.next();
			if (isLeft) {
				way.pop();
				depthOf.delete(here.name);
				done.add(here.name);
				continue;
			}
			const depth = depthOf.get(target);
			if (depth !== undefined && circles.length < MAX_CIRCLES) circles.push([...way.slice(depth).map(({ name }) => name), target]);
			if (depth !== undefined || done.has(target)) continue;
			depthOf.set(target, way.length);
			way.push({ name: target, targets: leadsTo(target).values() });
		}
	}
	return circles;
}

/** "a → b → a"; of a long one the beginning. */
export function renderCircle(circle: readonly string[]): string {
	const shown = circle.length > MAX_SHOWN ? [...circle.slice(0, MAX_SHOWN - 1), "…", circle.at(-1)] : circle;
	return shown.join(" → ");
}

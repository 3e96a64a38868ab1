import { type CpuProfile, frameName } from "../measurements/cpu-profile.ts";
import { escapeXml } from "./svg.ts";

/** A flame graph of a profile: width is time, a frame stands on the one that called it; what it was and its share show when pointed at. */

const WIDTH = 1_200;
const ROW = 17;
const TOP = 40;
const LEAST_SHARE = 0.001;
const CHARACTER_WIDTH = 6.5;

type Frame = { readonly name: string; us: number; readonly children: Map<string, Frame> };

export function drawFlameGraph(profile: CpuProfile, span: { readonly fromUs: number; readonly toUs: number }): string {
	const root = gather(profile, span);
	const boxes = [...boxesOf(root, root.us, { x: 0, depth: 0 })];
	const depth = Math.max(0, ...boxes.map((box) => box.depth));
	const height = TOP + (depth + 1) * ROW + 10;
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="11">`,
		`<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
		`<text x="10" y="24" font-size="15" fill="#333">where the time of the governed lane's peak goes; idle left out</text>`,
		...boxes.map((box) => drawBox(box, height)),
		"</svg>",
		"",
	].join("\n");
}

/** Sums frames of one name on one stack; samples outside of the span are left out. */
function gather(profile: CpuProfile, { fromUs, toUs }: { readonly fromUs: number; readonly toUs: number }): Frame {
	const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, frameName(callFrame)]));
	const callerOf = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
	const root: Frame = { name: "all", us: 0, children: new Map() };
	let atUs = profile.startTime;
	for (const [index, id] of profile.samples.entries()) {
		const us = profile.timeDeltas[index] ?? 0;
		atUs += us;
		const stack = atUs >= fromUs && atUs <= toUs ? stackOf(id, names, callerOf) : [];
		if (stack.length === 0 || stack.includes("(idle)")) continue;
		addStack(root, stack, us);
	}
	return root;
}

function addStack(root: Frame, stack: readonly string[], us: number): void {
	let frame = root;
	frame.us += us;
	for (const name of stack) {
		const next: Frame = frame.children.get(name) ?? { name, us: 0, children: new Map() };
		frame.children.set(name, next);
		next.us += us;
		frame = next;
	}
}

/** Outermost first, without the root of the profile. */
function stackOf(id: number, names: ReadonlyMap<number, string>, callerOf: ReadonlyMap<number, number>): string[] {
	const stack: string[] = [];
	for (let at: number | undefined = id; at !== undefined; at = callerOf.get(at)) stack.push(names.get(at) ?? "");
	return stack.reverse().slice(1);
}

type Box = { readonly name: string; readonly share: number; readonly x: number; readonly depth: number };

function* boxesOf(frame: Frame, totalUs: number, at: { readonly x: number; readonly depth: number }): Generator<Box> {
	const share = totalUs === 0 ? 0 : frame.us / totalUs;
	if (share < LEAST_SHARE) return;
	yield { name: frame.name, share, ...at };
	let { x } = at;
	for (const child of [...frame.children.values()].sort((left, right) => right.us - left.us)) {
		yield* boxesOf(child, totalUs, { x, depth: at.depth + 1 });
		x += child.us / totalUs;
	}
}

function drawBox({ name, share, x, depth }: Box, height: number): string {
	const width = share * WIDTH;
	const y = height - 10 - (depth + 1) * ROW;
	const label = name.slice(0, Math.floor((width - 6) / CHARACTER_WIDTH));
	const title = `<title>${escapeXml(`${name}: ${(share * 100).toFixed(1)} %`)}</title>`;
	const box = `<rect x="${(x * WIDTH).toFixed(1)}" y="${y}" width="${Math.max(0.5, width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${colourOf(name)}"/>`;
	const text = label.length < 3 ? "" : `<text x="${(x * WIDTH + 3).toFixed(1)}" y="${y + 12}" fill="#222">${escapeXml(label)}</text>`;
	return `<g>${title}${box}${text}</g>`;
}

/** Ours, packages, Node and the engine by colour. */
function colourOf(name: string): string {
	if (/ (?:gateway|routes|request|ledger|providers|bound|pricing|budget|usage|money)\/[^ ]*\.ts:/.test(name)) return "#8fb7f0";
	if (/ node:/.test(name)) return "#b9d8a8";
	return name.includes(" ") ? "#f3d08a" : "#e8a598";
}
